#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace pgeist::pg {

/// How to reach the server, as psql takes it: libpq keywords and values. `dbname` may hold a conninfo string or URI.
/// Whatever is not given comes from libpq's own sources (PG* variables, service and password files).
class connect_options {
public:
    connect_options() = default;

    /// Sets a libpq keyword (`host`, `port`, `user`, `dbname`, …); later settings win.
    void set(const std::string& keyword, const std::string& value);
    /// The value set for `keyword`, empty when none was.
    [[nodiscard]] std::string get(const std::string& keyword) const;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& values() const noexcept { return values_; }

    /// How long one attempt to connect may take, name resolution excepted (libpq resolves names synchronously).
    [[nodiscard]] std::chrono::milliseconds connect_timeout() const noexcept { return connect_timeout_; }
    void connect_timeout(std::chrono::milliseconds timeout) noexcept { connect_timeout_ = timeout; }

private:
    std::vector<std::pair<std::string, std::string>> values_;
    std::chrono::milliseconds connect_timeout_{10'000};
};

}  // namespace pgeist::pg
