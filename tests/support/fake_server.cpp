#include "support/fake_server.hpp"

#include <sys/socket.h>

#include <arpa/inet.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "support/conninfo.hpp"

namespace pgeist::test {
namespace {

constexpr std::uint32_t ssl_request = 80877103;
constexpr std::uint32_t gss_request = 80877104;

bool receive(int socket, void* data, std::size_t size) {
    return ::recv(socket, data, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

std::uint32_t receive_number(int socket) {
    std::uint32_t number = 0;
    return receive(socket, &number, sizeof number) ? ntohl(number) : 0;
}

void send_text(int socket, const std::string& text) { ::send(socket, text.data(), text.size(), MSG_NOSIGNAL); }

std::string message(char type, std::string_view body) {
    const std::uint32_t length = htonl(static_cast<std::uint32_t>(body.size() + sizeof(std::uint32_t)));
    std::string bytes(1, type);
    bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
    bytes.append(body);
    return bytes;
}

// Startup packets: encryption is declined, the first other one ends them. False when the client went away.
bool read_startup(int socket) {
    for (;;) {
        const std::uint32_t length = receive_number(socket);
        if (length < 2 * sizeof(std::uint32_t)) {
            return false;
        }
        const std::uint32_t code = receive_number(socket);
        std::vector<char> rest(length - 2 * sizeof(std::uint32_t));
        if (!rest.empty() && !receive(socket, rest.data(), rest.size())) {
            return false;
        }
        if (code != ssl_request && code != gss_request) {
            return true;
        }
        send_text(socket, "N");
    }
}

void refuse(int socket) {
    using namespace std::string_view_literals;
    if (!read_startup(socket)) {
        return;
    }
    send_text(socket, message('R', "\0\0\0\3"sv));  // AuthenticationCleartextPassword
    std::array<char, 1024> password{};
    if (::recv(socket, password.data(), password.size(), 0) <= 0) {
        return;
    }
    send_text(socket, message('E',
                              "SFATAL\0VFATAL\0C28P01\0"
                              "Mpassword authentication failed for user \"app\"\0\0"sv));
}

}  // namespace

refusing_server::refusing_server() : listener_(listen_on_loopback()) {
    thread_ = std::jthread([this] { serve(); });
}

refusing_server::~refusing_server() {
    ::shutdown(listener_.socket.get(), SHUT_RDWR);  // ends accept()
}

std::string refusing_server::uri(const std::string& password) const {
    return conninfo{}
        .with("host", "127.0.0.1")
        .with("port", std::to_string(listener_.port))
        .with("user", "app")
        .with("password", password)
        .with("dbname", "app")
        .uri();
}

void refusing_server::serve() const {
    for (;;) {
        const socket_handle client(::accept4(listener_.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client) {
            return;
        }
        refuse(client.get());
    }
}

}  // namespace pgeist::test
