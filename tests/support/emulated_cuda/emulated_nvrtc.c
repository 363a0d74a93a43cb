/* libnvrtc.so.13 for tests: "compiles" with g++ (compile.py); the machine code is a shared object. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <nvrtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

struct _nvrtcProgram {
    char folder[64], name[64], *log, *code;
    size_t size;
};

API nvrtcResult nvrtcVersion(int *major, int *minor) { return *major = 0, *minor = 1, NVRTC_SUCCESS; }
API const char *nvrtcGetErrorString(nvrtcResult r) { return r == NVRTC_SUCCESS ? "no error" : "compilation failed"; }

static int put_file(const char *folder, const char *name, const char *text) {
    char path[256];
    const char *slash = strchr(name, '/');
    if (slash) {
        snprintf(path, sizeof path, "%s/%.*s", folder, (int)(slash - name), name);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file) return 0;
    fputs(text, file);
    return fclose(file) == 0;
}

static char *get_file(const char *folder, const char *name, size_t *size) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = calloc(1, *size + 1);
    if (bytes && fread(bytes, 1, *size, file) != *size) *size = 0;
    fclose(file);
    return bytes;
}

API nvrtcResult nvrtcCreateProgram(nvrtcProgram *out, const char *text, const char *name, int n, const char *const *headers,
                                   const char *const *names) {
    nvrtcProgram p = calloc(1, sizeof *p);
    if (!p) return NVRTC_ERROR_OUT_OF_MEMORY;
    snprintf(p->folder, sizeof p->folder, "/tmp/emulated-cuda-XXXXXX");
    snprintf(p->name, sizeof p->name, "%s", name);
    int good = mkdtemp(p->folder) && put_file(p->folder, name, text);
    for (int i = 0; good && i < n; i++) good = put_file(p->folder, names[i], headers[i]);
    *out = p;
    return good ? NVRTC_SUCCESS : NVRTC_ERROR_PROGRAM_CREATION_FAILURE;
}

API nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int n, const char *const *options) {
    const char *broken = getenv("EMULATED_NVRTC_FAIL");
    if (broken && !strcmp(broken, p->name)) {
        p->log = strdup("an error made by the test");
        return NVRTC_ERROR_COMPILATION;
    }
    const char *args[64] = { "python3", EMULATOR_SOURCE "/compile.py", p->folder, p->name };
    for (int i = 0; i < n && i < 56; i++) args[4 + i] = options[i];
    pid_t child = fork();
    if (child == 0) {
        execvp("python3", (char *const *)args);
        _exit(127);
    }
    int status = 1;
    size_t size = 0;
    waitpid(child, &status, 0);
    p->log = get_file(p->folder, "log", &size);
    if (status) return NVRTC_ERROR_COMPILATION;
    p->code = get_file(p->folder, "out.so", &p->size);
    return p->code ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

API nvrtcResult nvrtcDestroyProgram(nvrtcProgram *p) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", (*p)->folder);
    if (system(command)) fputs("a temporary folder stays\n", stderr);
    free((*p)->log), free((*p)->code), free(*p);
    return NVRTC_SUCCESS;
}

API nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *n) { return *n = p->log ? strlen(p->log) + 1 : 1, NVRTC_SUCCESS; }
API nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *to) { return strcpy(to, p->log ? p->log : ""), NVRTC_SUCCESS; }
API nvrtcResult nvrtcGetCUBINSize(nvrtcProgram p, size_t *n) { return *n = p->size, NVRTC_SUCCESS; }
API nvrtcResult nvrtcGetCUBIN(nvrtcProgram p, char *to) { return memcpy(to, p->code, p->size), NVRTC_SUCCESS; }
