#include "support/tcp_proxy.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <exception>
#include <utility>

namespace pgeist::test {
namespace {

bool send_all(int to, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t sent = ::send(to, data, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

}  // namespace

tcp_proxy::tcp_proxy(conninfo server)
    : server_(std::move(server)), listener_(listen_on_loopback()), wake_(::eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { forward(stop); });
}

tcp_proxy::~tcp_proxy() { cut(); }

conninfo tcp_proxy::through(const conninfo& address) const {
    return address.with("host", "127.0.0.1").with("port", std::to_string(listener_.port));
}

void tcp_proxy::cut() {
    if (!thread_.joinable()) {
        return;
    }
    thread_.request_stop();
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
    sockets_.clear();
    listener_.socket.reset();
}

void tcp_proxy::accept_one() {
    socket_handle client(::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) {
        return;
    }
    try {
        socket_handle upstream = connect_to(server_.get("host"), server_.get("port"));
        sockets_.push_back(std::move(client));
        sockets_.push_back(std::move(upstream));
    } catch (const std::exception&) {
        // The server refused: the client sees its connection closed.
    }
}

void tcp_proxy::pump(std::size_t from, std::size_t to) {
    std::array<char, 65536> buffer{};
    const ssize_t count = ::recv(sockets_[from].get(), buffer.data(), buffer.size(), 0);
    if (count <= 0 || !send_all(sockets_[to].get(), buffer.data(), static_cast<std::size_t>(count))) {
        sockets_[from].reset();
        sockets_[to].reset();
    }
}

void tcp_proxy::forward(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        std::vector<pollfd> watched{{wake_.get(), POLLIN, 0}, {listener_.socket.get(), POLLIN, 0}};
        const std::size_t fixed = watched.size();
        for (const socket_handle& handle : sockets_) {
            watched.push_back({handle.get(), POLLIN, 0});
        }
        ::poll(watched.data(), watched.size(), -1);
        for (std::size_t at = fixed; at < watched.size(); ++at) {
            const std::size_t from = at - fixed;
            if (watched[at].revents != 0 && sockets_[from]) {
                pump(from, from ^ 1U);
            }
        }
        if (watched[1].revents != 0) {
            accept_one();
        }
    }
}

}  // namespace pgeist::test
