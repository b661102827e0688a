/*
 * Lets the 6.1 user-mode Linux kernel run on hosts whose processor state is larger than it knows (AMX).
 *
 * That kernel saves and restores a guest process's registers with PTRACE_{GET,SET}REGSET(NT_X86_XSTATE)
 * through a buffer of fixed size. The host truncates a read, but refuses a write that is not exactly its
 * own size, and the guest dies at its first process. Preloaded into linux.uml, this completes a short
 * write with the state the process already has; the components in question are unused in the guest.
 * Kernels from 6.13 on ask the host for the size and need none of this.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

/* Static because the caller runs on small kernel stacks; linux.uml calls this from one thread. */
static unsigned char whole[65536] __attribute__((aligned(64)));

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *addr = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	if (request == PTRACE_SETREGSET && (unsigned long)addr == NT_X86_XSTATE) {
		struct iovec *part = data;
		struct iovec full = { whole, sizeof whole };
		long result = syscall(SYS_ptrace, PTRACE_GETREGSET, pid, addr, &full);
		if (result == 0 && full.iov_len > part->iov_len) {
			memcpy(whole, part->iov_base, part->iov_len);
			return syscall(SYS_ptrace, request, pid, addr, &full);
		}
	}
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long word;
		long result = syscall(SYS_ptrace, request, pid, addr, &word);
		if (result < 0)
			return result;
		errno = 0;
		return word;
	}
	return syscall(SYS_ptrace, request, pid, addr, data);
}
