#include "core/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int shown_level = BP_LOG_WARN;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool line_is_drawn;
static int drawn_percent = -1;

void bp_log_set_level(int32_t level) { shown_level = level; }

static void erase_line(void) {
    if (line_is_drawn) fputs("\r\033[K", stderr);
    line_is_drawn = false;
    drawn_percent = -1;
}

void bp_log(int32_t level, const char *format, ...) {
    static const char *const words[] = { "error: ", "warning: ", "", "" };
    if (level > shown_level) return;
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&lock);
    erase_line();
    fputs(words[level < 0 ? 0 : level & 3], stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    pthread_mutex_unlock(&lock);
    va_end(args);
}

void bp_progress(const char *what, uint64_t done, uint64_t total) {
    if (!total || !isatty(STDERR_FILENO)) return;
    int percent = (int)((double)done * 100 / (double)total);
    pthread_mutex_lock(&lock);
    if (done >= total) {
        erase_line();
    } else if (percent != drawn_percent) {
        fprintf(stderr, "\r\033[K%s %d %%", what, percent);
        line_is_drawn = true;
        drawn_percent = percent;
    }
    fflush(stderr);
    pthread_mutex_unlock(&lock);
}
