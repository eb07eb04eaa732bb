#pragma once

#include <string>
#include <thread>

#include "support/socket.hpp"

namespace pgeist::test {

/// Something that speaks just enough of PostgreSQL's protocol to ask for a password and refuse it: the servers of the
/// test runs trust everybody.
class refusing_server {
public:
    refusing_server();
    ~refusing_server();
    refusing_server(const refusing_server&) = delete;
    refusing_server& operator=(const refusing_server&) = delete;

    /// Address with a user, a database and a (wrong) password.
    [[nodiscard]] std::string uri(const std::string& password) const;

private:
    void serve() const;

    listener listener_;
    std::jthread thread_;
};

}  // namespace pgeist::test
