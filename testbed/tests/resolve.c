/* getent for a C library that comes without one: the addresses of a name, or the name of an address. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int name_of(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	char name[NI_MAXHOST];
	const struct sockaddr *address = (const void *)&v4;
	socklen_t length = sizeof v4;
	if (inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
		if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
			return 64;
		address = (const void *)&v6;
		length = sizeof v6;
	}
	if (getnameinfo(address, length, name, sizeof name, NULL, 0, NI_NAMEREQD))
		return 2;
	puts(name);
	return 0;
}

int main(int argc, char **argv)
{
	struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME };
	struct addrinfo *found;
	if (argc != 3)
		return 64;
	if (!strcmp(argv[1], "hosts"))
		return name_of(argv[2]);
	wanted.ai_family = !strcmp(argv[1], "ahostsv6") ? AF_INET6 : AF_INET;
	if (getaddrinfo(argv[2], NULL, &wanted, &found))
		return 2;
	for (struct addrinfo *one = found; one; one = one->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address = one->ai_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)one->ai_addr)->sin6_addr
			: (const void *)&((const struct sockaddr_in *)one->ai_addr)->sin_addr;
		printf("%s STREAM %s\n", inet_ntop(one->ai_family, address, text, sizeof text),
		       one->ai_canonname ? one->ai_canonname : "");
	}
	freeaddrinfo(found);
	return 0;
}
