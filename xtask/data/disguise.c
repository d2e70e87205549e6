/*
 * Preloaded into the second build of `repro`: a clock that is AHEAD seconds ahead, and directories that are read backwards.
 *
 * It is C because it has to stand in front of the C library's own functions in programs of every language, in processes
 * that know nothing of it; a Rust library would bring its own runtime into each of them. It is compiled for each run, by
 * the compiler of the toolchain that builds, and without any start files or libraries: what it needs it finds in the
 * process that it is loaded into, whatever C library of glibc's kind that has.
 *
 * The times of files stay the kernel's. They lie before this clock's "now", so that make does not find the future in them;
 * were they shifted too, those that a step sets on purpose would be shifted with them. Waits until a moment of the wall
 * clock are not translated.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* ------ The clock ------ */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI))
        now->tv_sec += AHEAD;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

time_t time(time_t *to)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}

/* ------ Directories: read to the end at the first question, answered from the end ------ */

struct listing {
    DIR *of;
    struct dirent **entries;
    size_t count;
    size_t given;
    struct listing *other;
};

static struct listing *listings;
static char locked;

static void lock(void)
{
    while (__atomic_test_and_set(&locked, __ATOMIC_ACQUIRE))
        ;
}

static void unlock(void)
{
    __atomic_clear(&locked, __ATOMIC_RELEASE);
}

static struct listing *find(DIR *of)
{
    struct listing *listing;
    lock();
    for (listing = listings; listing && listing->of != of; listing = listing->other)
        ;
    unlock();
    return listing;
}

static void release(struct listing *listing)
{
    while (listing->count)
        free(listing->entries[--listing->count]);
    free(listing->entries);
    free(listing);
}

static void forget(DIR *of)
{
    struct listing **at, *listing;
    lock();
    for (at = &listings; *at && (*at)->of != of; at = &(*at)->other)
        ;
    listing = *at;
    if (listing)
        *at = listing->other;
    unlock();
    if (listing)
        release(listing);
}

/* Null and errno when the directory cannot be read to its end; errno is left alone otherwise. */
static struct listing *read_all(DIR *of)
{
    static struct dirent *(*next)(DIR *);
    struct listing *listing = find(of);
    struct dirent *entry;
    size_t room = 0;
    int before = errno;

    if (listing)
        return listing;
    if (!next)
        next = (struct dirent * (*)(DIR *)) dlsym(RTLD_NEXT, "readdir64");
    listing = calloc(1, sizeof *listing);
    if (!listing)
        return NULL;
    listing->of = of;
    for (errno = 0; (entry = next(of)); errno = 0) {
        if (listing->count == room) {
            size_t more = room ? 2 * room : 64;
            struct dirent **entries = realloc(listing->entries, more * sizeof *entries);
            if (!entries)
                break;
            listing->entries = entries;
            room = more;
        }
        struct dirent *copy = malloc(entry->d_reclen);
        if (!copy)
            break;
        memcpy(copy, entry, entry->d_reclen);
        listing->entries[listing->count++] = copy;
    }
    if (errno) {
        int why = errno;
        release(listing);
        errno = why;
        return NULL;
    }
    errno = before;
    lock();
    listing->other = listings;
    listings = listing;
    unlock();
    return listing;
}

struct dirent *readdir(DIR *of)
{
    struct listing *listing = read_all(of);
    if (!listing || listing->given == listing->count)
        return NULL;
    return listing->entries[listing->count - ++listing->given];
}

/* The same structure on machines of 64 bits. */
struct dirent64 *readdir64(DIR *of)
{
    return (struct dirent64 *)readdir(of);
}

long telldir(DIR *of)
{
    struct listing *listing = find(of);
    return listing ? (long)listing->given : 0;
}

void seekdir(DIR *of, long to)
{
    struct listing *listing = read_all(of);
    if (listing && to >= 0 && (size_t)to <= listing->count)
        listing->given = (size_t)to;
}

void rewinddir(DIR *of)
{
    static void (*rewind)(DIR *);
    if (!rewind)
        rewind = (void (*)(DIR *))dlsym(RTLD_NEXT, "rewinddir");
    forget(of);
    rewind(of);
}

int closedir(DIR *of)
{
    static int (*close)(DIR *);
    if (!close)
        close = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
    forget(of);
    return close(of);
}
