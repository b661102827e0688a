/*
 * Lets no packet wait in the user-mode Linux kernel's links until the next one comes.
 *
 * That kernel learns of what it can read by a signal: SIGIO makes it ask its epoll instance, once. A TAP
 * device of the host sends the signal first and marks itself as readable then, so on a host with several
 * processors the kernel may ask too early, find nothing, and hear of that packet only with the next signal:
 * about one packet in five thousand where the processors are busy. No counter shows it as lost.
 * Preloaded into linux.uml, this has a process of its own wait for the epoll instance. Where something is
 * still there a moment after it came, the process sends the signal again.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* What the kernel gets to answer the first signal in. */
static const struct timespec moment = { 0, 3 * 1000 * 1000 };

static void watch(int epoll, pid_t kernel)
{
	sigset_t all;
	struct pollfd events = { epoll, POLLIN, 0 };

	/* The handlers and the memory are the kernel's: no signal may run anything here. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == kernel) {
		if (poll(&events, 1, -1) != 1)
			continue;
		nanosleep(&moment, NULL);
		if (poll(&events, 1, 0) == 1)
			kill(kernel, SIGIO);
	}
	_exit(0);
}

/* linux.uml makes its only epoll instance here, before it opens a link. */
int epoll_create(int size)
{
	int epoll = syscall(SYS_epoll_create, size);
	pid_t kernel = getpid();

	if (epoll >= 0 && fork() == 0)
		watch(epoll, kernel);
	return epoll;
}
