#define _GNU_SOURCE
#include "core/device/plugin_probe.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fail.h"

enum { PROBE_LOADED = '+', PROBE_REFUSED = '-', PROBE_TEXT = 200 };

typedef struct probe_end {
    bool timed_out, known; /* known: wait_status is what waitpid said */
    int wait_status;
    char report[PROBE_TEXT + 1]; /* '+', or '-' and the loader's words; empty: it ended before it could tell */
} probe_end;

static void quiet_child(void) {
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS,
                                   SIGTERM, SIGINT, SIGPIPE };
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        return;
    }
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
}

static _Noreturn void run_child(const char *path, int report) {
    quiet_child();
    char text[PROBE_TEXT] = { PROBE_LOADED, 0 };
    bool loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL;
    if (!loaded) {
        const char *why = dlerror();
        snprintf(text, sizeof text, "%c%s", PROBE_REFUSED, why ? why : "the loader does not say why");
    }
    ssize_t written = write(report, text, strlen(text)); /* below PIPE_BUF: all or nothing, and it never waits */
    _exit(loaded && written > 0 ? 0 : 1);
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void kill_child(pid_t child) {
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
}

/* Where SIGCHLD is ignored, waitpid tells only that the child is gone: known stays false. */
static void wait_child(pid_t child, int64_t timeout_ms, probe_end *end) {
    int64_t deadline = now_ms() + timeout_ms;
    for (;;) {
        pid_t ended = waitpid(child, &end->wait_status, WNOHANG);
        if (ended == child) end->known = true;
        if (ended == child || (ended < 0 && errno != EINTR)) return;
        if (now_ms() >= deadline) break;
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
    end->timed_out = true;
    kill_child(child);
}

static bp_status judge(const char *path, int64_t timeout_ms, const probe_end *end, bp_error *error) {
    if (end->timed_out)
        return bp_fail(error, BP_E_REFUSED, "%s did not finish loading within %lld ms in a trial process: not loaded",
                       path, (long long)timeout_ms);
    if (end->known && WIFSIGNALED(end->wait_status))
        return bp_fail(error, BP_E_REFUSED, "%s crashed while it was loaded in a trial process (%s): not loaded", path,
                       strsignal(WTERMSIG(end->wait_status)));
    if (end->report[0] == PROBE_REFUSED)
        return bp_fail(error, BP_E_REFUSED, "%s cannot be loaded: %s", path, end->report + 1);
    if (end->report[0] != PROBE_LOADED)
        return bp_fail(error, BP_E_REFUSED, "%s ended the trial process that loaded it: not loaded", path);
    return BP_OK;
}

static bp_status probe(const char *path, int64_t timeout_ms, int pipes[2], bp_error *error) {
    probe_end end = { 0 };
    pid_t child = fork();
    if (child < 0) return bp_fail(error, BP_E_IO, "cannot start a trial process for %s: %s", path, strerror(errno));
    if (!child) run_child(path, pipes[1]);
    wait_child(child, timeout_ms, &end);
    ssize_t n = read(pipes[0], end.report, PROBE_TEXT);
    end.report[n > 0 ? n : 0] = 0;
    return judge(path, timeout_ms, &end, error);
}

bp_status bp_plugin_probe(const char *path, int64_t timeout_ms, bp_error *error) {
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
        return bp_fail(error, BP_E_IO, "cannot start a trial process for %s: %s", path, strerror(errno));
    bp_status status = probe(path, timeout_ms, pipes, error);
    close(pipes[0]);
    close(pipes[1]);
    return status;
}
