#include "support/socket.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace pgeist::test {
namespace {

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

socket_handle connect_to_path(const std::string& path) {
    socket_handle handle(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::invalid_argument("socket path too long: " + path);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    if (::connect(handle.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        throw_errno("connect");
    }
    return handle;
}

}  // namespace

socket_handle& socket_handle::operator=(socket_handle&& other) noexcept {
    if (this != &other) {
        reset();
        descriptor_ = other.release();
    }
    return *this;
}

int socket_handle::release() noexcept { return std::exchange(descriptor_, -1); }

void socket_handle::reset() noexcept {
    if (descriptor_ >= 0) {
        ::close(release());
    }
}

listener listen_on_loopback() {
    listener made{socket_handle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    constexpr int backlog = 64;
    if (::bind(made.socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::listen(made.socket.get(), backlog) != 0 ||
        ::getsockname(made.socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throw_errno("listen");
    }
    made.port = ntohs(address.sin_port);
    return made;
}

socket_handle connect_to(const std::string& host, const std::string& port) {
    if (host.starts_with('/')) {
        return connect_to_path(host + "/.s.PGSQL." + port);
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
        throw std::runtime_error("cannot resolve " + host);
    }
    socket_handle handle;
    for (const addrinfo* candidate = found; candidate != nullptr; candidate = candidate->ai_next) {
        handle = socket_handle(::socket(candidate->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (handle && ::connect(handle.get(), candidate->ai_addr, candidate->ai_addrlen) == 0) {
            break;
        }
        handle.reset();
    }
    ::freeaddrinfo(found);
    if (!handle) {
        throw_errno("connect");
    }
    return handle;
}

int closed_port() { return listen_on_loopback().port; }

}  // namespace pgeist::test
