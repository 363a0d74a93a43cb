#include "core/run/command.h"

#include <stdarg.h>
#include <string.h>

#include "core/base/fail.h"
#include "core/base/log.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

bp_status bp_command_usage(bp_error *error, const char *format, ...) {
    char message[BP_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bp_fail(error, BP_E_INVALID, "%s", message);
    return BP_WRONG_USAGE;
}

static const char *command_name(char **argv) {
    const char *slash = strrchr(argv[0], '/');
    return slash ? slash + 1 : argv[0];
}

static int report(char **argv, const bp_error *error, int exit_status) {
    fprintf(stderr, "%s: %s\n", command_name(argv), error->message);
    return exit_status;
}

static int run_command(bp_config *config, char **argv, const char *summary, bp_own_flag *own, uint32_t n_own, bp_command_fn *run) {
    bp_error error = BP_ERROR_INIT;
    if (bp_config_bool(config, BP_OPT_VERBOSE)) bp_log_set_level(BP_LOG_INFO);
    if (bp_config_wants_help(config)) {
        bp_config_help(stdout, command_name(argv), summary, own, n_own);
        return 0;
    }
    if (bp_config_wants_print(config)) {
        bp_config_print(config, stdout);
        return 0;
    }
    bp_status status = run(config, own, &error);
    if (!status && fflush(stdout)) status = bp_fail(&error, BP_E_IO, "cannot write to the standard output");
    return status ? report(argv, &error, status == BP_WRONG_USAGE ? EXIT_USAGE : EXIT_FAILED) : 0;
}

int bp_command_main(int argc, char **argv, const char *summary, bp_own_flag *own, uint32_t n_own, bp_command_fn *run) {
    bp_error error = BP_ERROR_INIT;
    bp_config *config = NULL;
    bp_status status = bp_config_new(&config, &error);
    if (!status) status = bp_config_arguments(config, argc, argv, own, n_own, &error);
    int exit_status = status ? report(argv, &error, EXIT_USAGE) : run_command(config, argv, summary, own, n_own, run);
    bp_config_free(config);
    return exit_status;
}
