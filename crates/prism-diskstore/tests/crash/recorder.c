/* Notes what a process does to the files below a folder, and makes it fail on request. Preloaded: see recorder.rs.
 *
 * PRISM_RECORD_ROOT   the folder
 * PRISM_RECORD_LOG    where the notes go: "NAME\tPATH\tOTHER\tOFFSET\tBYTES\n" and, of a write, its bytes
 * PRISM_RECORD_FAULT  a file: while it says "write 28", "sync 5" or "read 5", such calls on files below ROOT/store fail with
 *                     that errno
 *
 * One lock is held around each call and its note, so that the notes are in the order of the calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *fault_file;
static size_t root_len;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void) {
    root = getenv("PRISM_RECORD_ROOT");
    fault_file = getenv("PRISM_RECORD_FAULT");
    const char *log = getenv("PRISM_RECORD_LOG");
    root_len = root ? strlen(root) : 0;
    if (root && log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void all(const void *data, size_t bytes) {
    const char *from = data;
    while (bytes > 0) {
        ssize_t wrote = syscall(SYS_write, log_fd, from, bytes);
        if (wrote <= 0) abort();
        from += wrote;
        bytes -= wrote;
    }
}

static void note(const char *name, const char *path, const char *other, long long offset, size_t bytes, const void *data) {
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%lld\t%zu\n", name, path + root_len + 1, other, offset, bytes);
    all(line, length);
    if (data) all(data, bytes);
}

static int below(const char *path) {
    return root && log_fd >= 0 && strncmp(path, root, root_len) == 0 && path[root_len] == '/';
}

static int of_fd(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}

/* The path of a name, which is there or not. */
static int of_name(int folder, const char *name, char *path) {
    if (!root) return 0;
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD) {
            if (syscall(SYS_getcwd, base, sizeof base) < 0) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
            if (length <= 0) return 0;
            base[length] = 0;
        }
        snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, name);
    }
    return below(path);
}

static int fails(const char *what, const char *path) {
    char text[64] = "", name[16] = "";
    int number = 0;
    if (!fault_file || strncmp(path + root_len, "/store/", 7) != 0) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, fault_file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    ssize_t length = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (length <= 0 || sscanf(text, "%15s %d", name, &number) != 2 || strcmp(name, what) != 0) return 0;
    errno = number;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define LOCKED(type, body) do { pthread_mutex_lock(&lock); type result; body; int kept = errno; pthread_mutex_unlock(&lock); errno = kept; return result; } while (0)

static int opened(int fd, int existed, const char *path, int flags) {
    if (fd >= 0 && (flags & O_CREAT) && !existed) note("create", path, "", 0, 0, NULL);
    if (fd >= 0 && (flags & O_TRUNC) && existed) note("truncate", path, "", 0, 0, NULL);
    return fd;
}

static int exists(const char *path) { return syscall(SYS_faccessat, AT_FDCWD, path, F_OK, 0) == 0; }

#define OPEN(NAME) \
    int NAME(const char *name, int flags, ...) { \
        REAL(NAME); \
        va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
        char path[PATH_MAX]; \
        LOCKED(int, { \
            int is = of_name(AT_FDCWD, name, path); \
            int existed = is && exists(path); \
            result = real(name, flags, mode); \
            if (is) opened(result, existed, path, flags); \
        }); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME) \
    int NAME(int folder, const char *name, int flags, ...) { \
        REAL(NAME); \
        va_list rest; va_start(rest, flags); int mode = va_arg(rest, int); va_end(rest); \
        char path[PATH_MAX]; \
        LOCKED(int, { \
            int is = of_name(folder, name, path); \
            int existed = is && exists(path); \
            result = real(folder, name, flags, mode); \
            if (is) opened(result, existed, path, flags); \
        }); \
    }
OPENAT(openat)
OPENAT(openat64)

static off_t place(int fd) {
    struct stat file;
    if (syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND) return fstat(fd, &file) == 0 ? file.st_size : 0;
    return syscall(SYS_lseek, fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t bytes) {
    REAL(write);
    char path[PATH_MAX];
    LOCKED(ssize_t, {
        if (!of_fd(fd, path)) result = real(fd, data, bytes);
        else if (fails("write", path)) result = -1;
        else {
            off_t at = place(fd);
            result = real(fd, data, bytes);
            if (result > 0) note("write", path, "", at, result, data);
        }
    });
}

#define PWRITE(NAME, OFFSET) \
    ssize_t NAME(int fd, const void *data, size_t bytes, OFFSET at) { \
        REAL(NAME); \
        char path[PATH_MAX]; \
        LOCKED(ssize_t, { \
            if (!of_fd(fd, path)) result = real(fd, data, bytes, at); \
            else if (fails("write", path)) result = -1; \
            else { \
                result = real(fd, data, bytes, at); \
                if (result > 0) note("write", path, "", at, result, data); \
            } \
        }); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    char path[PATH_MAX];
    LOCKED(ssize_t, {
        if (!of_fd(fd, path)) result = real(fd, parts, count);
        else if (fails("write", path)) result = -1;
        else {
            off_t at = place(fd);
            result = real(fd, parts, count);
            ssize_t left = result;
            for (int part = 0; part < count && left > 0; part++) {
                size_t wrote = (size_t)left < parts[part].iov_len ? (size_t)left : parts[part].iov_len;
                note("write", path, "", at, wrote, parts[part].iov_base);
                at += wrote;
                left -= wrote;
            }
        }
    });
}

#define READ(NAME, PARAMETERS, ARGUMENTS) \
    ssize_t NAME PARAMETERS { \
        REAL(NAME); \
        char path[PATH_MAX]; \
        if (fault_file && of_fd(fd, path) && fails("read", path)) return -1; \
        return real ARGUMENTS; \
    }
READ(read, (int fd, void *data, size_t bytes), (fd, data, bytes))
READ(pread, (int fd, void *data, size_t bytes, off_t at), (fd, data, bytes, at))
READ(pread64, (int fd, void *data, size_t bytes, off64_t at), (fd, data, bytes, at))

#define SYNC(NAME) \
    int NAME(int fd) { \
        REAL(NAME); \
        char path[PATH_MAX]; \
        LOCKED(int, { \
            if (!of_fd(fd, path)) result = real(fd); \
            else if (fails("sync", path)) result = -1; \
            else { result = real(fd); if (result == 0) note("sync", path, "", 0, 0, NULL); } \
        }); \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(NAME, SIZE) \
    int NAME(int fd, SIZE bytes) { \
        REAL(NAME); \
        char path[PATH_MAX]; \
        LOCKED(int, { \
            int is = of_fd(fd, path); \
            if (is && fails("write", path)) result = -1; \
            else { result = real(fd, bytes); if (is && result == 0) note("truncate", path, "", bytes, 0, NULL); } \
        }); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

static void renamed(int result, int is, const char *from, const char *to) {
    if (result == 0 && is) note("rename", from, to + root_len + 1, 0, 0, NULL);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char one[PATH_MAX], other[PATH_MAX];
    LOCKED(int, {
        int is = of_name(AT_FDCWD, from, one) & of_name(AT_FDCWD, to, other);
        result = real(from, to);
        renamed(result, is, one, other);
    });
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    REAL(renameat);
    char one[PATH_MAX], other[PATH_MAX];
    LOCKED(int, {
        int is = of_name(from_folder, from, one) & of_name(to_folder, to, other);
        result = real(from_folder, from, to_folder, to);
        renamed(result, is, one, other);
    });
}

int unlink(const char *name) {
    REAL(unlink);
    char path[PATH_MAX];
    LOCKED(int, {
        int is = of_name(AT_FDCWD, name, path);
        result = real(name);
        if (is && result == 0) note("unlink", path, "", 0, 0, NULL);
    });
}

int rmdir(const char *name) {
    REAL(rmdir);
    char path[PATH_MAX];
    LOCKED(int, {
        int is = of_name(AT_FDCWD, name, path);
        result = real(name);
        if (is && result == 0) note("unlink", path, "", 0, 0, NULL);
    });
}

int unlinkat(int folder, const char *name, int flags) {
    REAL(unlinkat);
    char path[PATH_MAX];
    LOCKED(int, {
        int is = of_name(folder, name, path);
        result = real(folder, name, flags);
        if (is && result == 0) note("unlink", path, "", 0, 0, NULL);
    });
}

int mkdir(const char *name, mode_t mode) {
    REAL(mkdir);
    char path[PATH_MAX];
    LOCKED(int, {
        int is = of_name(AT_FDCWD, name, path);
        result = real(name, mode);
        if (is && result == 0) note("folder", path, "", 0, 0, NULL);
    });
}
