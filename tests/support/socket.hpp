#pragma once

#include <string>

namespace pgeist::test {

/// A file descriptor of a socket, closed with its owner.
class socket_handle {
public:
    socket_handle() = default;
    explicit socket_handle(int descriptor) noexcept : descriptor_(descriptor) {}
    ~socket_handle() { reset(); }
    socket_handle(socket_handle&& other) noexcept : descriptor_(other.release()) {}
    socket_handle& operator=(socket_handle&& other) noexcept;
    socket_handle(const socket_handle&) = delete;
    socket_handle& operator=(const socket_handle&) = delete;

    [[nodiscard]] int get() const noexcept { return descriptor_; }
    [[nodiscard]] explicit operator bool() const noexcept { return descriptor_ >= 0; }
    int release() noexcept;
    void reset() noexcept;

private:
    int descriptor_ = -1;
};

/// A listening socket on a free port of 127.0.0.1.
struct listener {
    socket_handle socket;
    int port = 0;
};

/// Throws std::system_error.
listener listen_on_loopback();

/// Connects to a TCP host or, when `host` is a path, to the Unix socket of a PostgreSQL server. Throws.
socket_handle connect_to(const std::string& host, const std::string& port);

/// A port of 127.0.0.1 where nobody listens.
int closed_port();

}  // namespace pgeist::test
