#include "support/tcp_proxy.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <exception>
#include <utility>

#include "support/wait_for.hpp"

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

/// What has arrived; empty when the other side has closed.
std::string receive(int from) {
    std::array<char, 65536> buffer{};
    const ssize_t count = ::recv(from, buffer.data(), buffer.size(), 0);
    return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : std::string();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

tcp_proxy::tcp_proxy(conninfo server)
    : server_(std::move(server)), listener_(listen_on_loopback()), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { forward(stop); });
}

tcp_proxy::~tcp_proxy() { cut(); }

conninfo tcp_proxy::through(const conninfo& address) const {
    return address.with("host", "127.0.0.1").with("port", std::to_string(listener_.port));
}

void tcp_proxy::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void tcp_proxy::cut() {
    if (!thread_.joinable()) {
        return;
    }
    thread_.request_stop();
    wake();
    thread_.join();
    links_.clear();
    listener_.socket.reset();
}

void tcp_proxy::drop_all() {
    const std::lock_guard lock(mutex_);
    links_.clear();
    wake();
}

void tcp_proxy::half_close_all() {
    const std::lock_guard lock(mutex_);
    for (link& each : links_) {
        each.client.reset();
    }
    wake();
}

void tcp_proxy::refuse(bool refusing) {
    const std::lock_guard lock(mutex_);
    refusing_ = refusing;
}

void tcp_proxy::stall(bool stalled) {
    const std::lock_guard lock(mutex_);
    stalled_ = stalled;
    wake();
}

void tcp_proxy::delay(std::chrono::milliseconds time) {
    const std::lock_guard lock(mutex_);
    delay_ = time;
}

void tcp_proxy::lead_to(const conninfo& server) {
    const std::lock_guard lock(mutex_);
    server_ = server;
}

void tcp_proxy::lay(ambush wanted) {
    const std::lock_guard lock(mutex_);
    for (link& each : links_) {
        each.prepared = wanted.after.empty();
    }
    ambush_ = std::move(wanted);
    sprung_ = false;
}

bool tcp_proxy::sprung() {
    const std::lock_guard lock(mutex_);
    return sprung_;
}

void tcp_proxy::wait_for_ambush() {
    wait_for(
        "the message that is lain in wait for", [this] { return sprung(); }, std::chrono::seconds(60));
}

void tcp_proxy::release() {
    const std::lock_guard lock(mutex_);
    for (link& each : links_) {
        if (each.held && each.server) {
            send_all(each.server.get(), each.held->data(), each.held->size());
        }
        each.held.reset();
    }
    wake();
}

void tcp_proxy::accept_one() {
    socket_handle client(::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client || refusing_) {
        return;  // closed at once
    }
    try {
        link made;
        made.server = connect_to(server_.get("host"), server_.get("port"));
        made.client = std::move(client);
        made.prepared = ambush_ && ambush_->after.empty();
        links_.push_back(std::move(made));
    } catch (const std::exception&) {
        // The server refused: the client sees its connection closed.
    }
}

void tcp_proxy::from_client(link& each) {
    std::string data = receive(each.client.get());
    if (data.empty()) {
        each.client.reset();
        each.server.reset();
        return;
    }
    if (ambush_ && each.prepared && contains(data, ambush_->text)) {
        const fate what = ambush_->what;
        ambush_.reset();
        if (what == fate::held) {
            each.held = std::move(data);
            sprung_ = true;
            return;
        }
        if (what == fate::request_lost) {
            each.client.reset();
            each.server.reset();
            sprung_ = true;
            return;
        }
        each.drop_answer = true;
    } else if (ambush_ && contains(data, ambush_->after)) {
        each.prepared = true;
    }
    if (!send_all(each.server.get(), data.data(), data.size())) {
        each.client.reset();
        each.server.reset();
    }
}

void tcp_proxy::from_server(link& each) {
    const std::string data = receive(each.server.get());
    const bool lost = each.drop_answer && !data.empty();
    if (data.empty() || lost || (each.client && !send_all(each.client.get(), data.data(), data.size()))) {
        each.client.reset();
        each.server.reset();
    }
    if (lost) {
        sprung_ = true;
    }
}

void tcp_proxy::forward(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        std::vector<pollfd> watched{{wake_.get(), POLLIN, 0}, {listener_.socket.get(), POLLIN, 0}};
        constexpr std::size_t fixed = 2;
        {
            const std::lock_guard lock(mutex_);
            std::erase_if(links_, [](const link& each) { return !each.client && !each.server; });
            for (const link& each : links_) {
                const bool listens = !stalled_ && !each.held;
                watched.push_back({listens ? each.client.get() : -1, POLLIN, 0});
                watched.push_back({stalled_ ? -1 : each.server.get(), POLLIN, 0});
            }
        }
        ::poll(watched.data(), watched.size(), -1);
        std::uint64_t woken = 0;
        [[maybe_unused]] const ssize_t count = ::read(wake_.get(), &woken, sizeof woken);
        if (delay_.count() > 0) {
            std::this_thread::sleep_for(delay_);  // the very thing asked for, not a wait for a state
        }
        const std::lock_guard lock(mutex_);
        for (link& each : links_) {
            const auto ready = [&](const socket_handle& socket) {
                for (std::size_t at = fixed; socket && at < watched.size(); ++at) {
                    if (watched[at].fd == socket.get() && watched[at].revents != 0) {
                        return true;
                    }
                }
                return false;
            };
            // A descriptor that was closed and opened anew since the poll would block: poll again.
            const bool client_ready = ready(each.client);
            const bool server_ready = ready(each.server);
            if (client_ready && !stalled_ && !each.held) {
                from_client(each);
            }
            if (server_ready && !stalled_ && each.server) {
                from_server(each);
            }
        }
        if (watched[1].revents != 0) {
            accept_one();
        }
    }
}

}  // namespace pgeist::test
