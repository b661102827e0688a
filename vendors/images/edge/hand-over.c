/*
 * Opens sockets in the network namespace it is started in, and hands them over to who may not enter it.
 *
 * usage: hand-over SOCKET REQUEST...
 * A request is udp/ADDRESS/PORT, raw/ADDRESS/PROTOCOL or packet. Each is answered in order over the Unix
 * socket with an int: 0 and the descriptor (SCM_RIGHTS), or the errno of the call that failed. The exit
 * status is 0, the errno that kept the answers from going out, or 64 for wrong usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define USAGE 64
/* Whoever waits for the sockets has given up by then. */
#define SECONDS 20

/* An IPv4 or IPv6 address. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Takes "ADDRESS/NUMBER" apart, with a port of 0; returns the address's size, or 0. */
static socklen_t parse(char *text, union address *address, long *number)
{
	char *slash = strchr(text, '/'), *end;
	if (!slash)
		return 0;
	*slash = '\0';
	*number = strtol(slash + 1, &end, 10);
	if (end == slash + 1 || *end != '\0' || *number < 0 || *number > 65535)
		return 0;
	memset(address, 0, sizeof *address);
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		return sizeof address->v4;
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
		address->v6.sin6_family = AF_INET6;
		return sizeof address->v6;
	}
	return 0;
}

/* Opens what a request asks for; returns the descriptor, or a negative errno. */
static int open_socket(char *request)
{
	const int on = 1;
	int type, protocol, fd;
	union address address;
	socklen_t size;
	long number;

	if (strcmp(request, "packet") == 0) {
		fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
		return fd < 0 ? -errno : fd;
	}
	if (strncmp(request, "udp/", 4) == 0)
		type = SOCK_DGRAM;
	else if (strncmp(request, "raw/", 4) == 0)
		type = SOCK_RAW;
	else
		exit(USAGE);
	size = parse(request + 4, &address, &number);
	if (size == 0)
		exit(USAGE);
	if (type == SOCK_DGRAM) {
		protocol = IPPROTO_UDP;
		/* The port is at the same place in both. */
		address.v4.sin_port = htons(number);
	} else {
		protocol = number;
	}
	fd = socket(address.any.sa_family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	if (address.any.sa_family == AF_INET6 && type == SOCK_DGRAM
	    && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
		return -errno;
	if (bind(fd, &address.any, size) != 0)
		return -errno;
	return fd;
}

/* Sends one answer; returns 0 or an errno. */
static int answer(int to, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	int error = fd < 0 ? -fd : 0;
	struct iovec part = { &error, sizeof error };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (error == 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = control.space;
		message.msg_controllen = sizeof control.space;
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) == sizeof error ? 0 : errno;
}

int main(int count, char **arguments)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	int to, at, error;

	if (count < 3 || strlen(arguments[1]) >= sizeof path.sun_path)
		return USAGE;
	strcpy(path.sun_path, arguments[1]);
	alarm(SECONDS);
	to = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (to < 0 || connect(to, (struct sockaddr *)&path, sizeof path) != 0)
		return errno;
	for (at = 2; at < count; at++) {
		error = answer(to, open_socket(arguments[at]));
		if (error != 0)
			return error;
	}
	return 0;
}
