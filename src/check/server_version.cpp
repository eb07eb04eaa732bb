#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr int oldest = 14;
constexpr int newest = 19;

/// Versions that get no more corrections, and since when. They are served as long as they are known.
constexpr int ended = 14;
constexpr const char* ended_on = "2026-11-12";

}  // namespace

awaitable<void> check_server_version(const subject& what, findings& into) {
    const int major = what.conn.server_major();
    if (major < oldest || major > newest) {
        refuse(into, "server_version",
               fmt::format("the server is PostgreSQL {}; this pgeist knows {} to {}", major, oldest, newest),
               major > newest ? "use a newer pgeist" : "upgrade the server");
    }
    if (major == ended) {
        warn(into, "server_version",
             fmt::format("PostgreSQL {} gets no more corrections since {}: its time is over", major, ended_on),
             "plan the upgrade of the server");
    }
    const auto rows = co_await what.conn.query("SELECT pg_is_in_recovery()");
    if (rows.boolean(0, 0)) {
        refuse(into, "server_version", "the server is a standby and takes no changes", "connect to the primary");
    }
}

}  // namespace pgeist::check
