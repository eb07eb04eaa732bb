#include "pgeist/job/identity.hpp"

#include <fmt/format.h>

#include "pgeist/job/state_trust.hpp"

namespace pgeist::job {

namespace {

/// One value, or nothing where the service does not let us ask (some managed ones do not).
awaitable<std::optional<std::string>> ask(pg::connection& session, deadline until, std::string sql) {
    std::optional<std::string> value;
    try {
        const pg::result row = co_await session.query(until, std::move(sql));
        value = row.optional_text(0, 0);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
    }
    co_return value;
}

std::optional<std::int64_t> number(const std::optional<std::string>& text) {
    return text ? std::optional<std::int64_t>(std::stoll(*text)) : std::nullopt;
}

}  // namespace

awaitable<identity> identify(pg::connection& session, std::int64_t job, deadline until) {
    identity now;
    const auto system = co_await ask(session, until, "SELECT system_identifier FROM pg_control_system()");
    now.system = system.value_or("");
    const auto recovering = co_await ask(session, until, "SELECT pg_is_in_recovery()");
    now.in_recovery = recovering.value_or("f") == "t";
    if (!now.in_recovery) {
        const auto timeline = co_await ask(
            session, until, "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint");
        now.timeline = number(timeline);
        const auto flushed = co_await ask(session, until, "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint");
        now.flushed = number(flushed);
    }
    const auto database =
        co_await ask(session, until, "SELECT oid FROM pg_database WHERE datname = current_database()");
    now.database = database.value_or("");
    const bool present = co_await has_state_schema(session);
    if (present) {
        const pg::result row =
            co_await session.query(until, "SELECT token, incarnation FROM pgeist.jobs WHERE id = $1", job);
        if (!row.empty()) {
            now.token = row.text(0, 0);
            now.incarnation = row.integer(0, 1);
        }
    }
    co_return now;
}

std::optional<std::string> other_place(const identity& known, const identity& now) {
    if (!known.system.empty() && !now.system.empty() && known.system != now.system) {
        return fmt::format("it belongs to another cluster (system identifier {}, not {})", now.system, known.system);
    }
    if (!known.database.empty() && !now.database.empty() && known.database != now.database) {
        return "it is another database of the same name";
    }
    if (known.timeline && now.timeline && *now.timeline < *known.timeline) {
        return fmt::format("it is on timeline {}, older than {}: a server from before a failover", *now.timeline,
                           *known.timeline);
    }
    if (known.timeline && now.timeline && *now.timeline == *known.timeline && known.flushed && now.flushed &&
        *now.flushed < *known.flushed) {
        return "its write-ahead log ends before what the run has seen: a copy from an earlier time";
    }
    return std::nullopt;
}

std::optional<std::string> difference(const identity& known, const identity& now) {
    if (auto where = other_place(known, now)) {
        return where;
    }
    if (now.token.empty()) {
        return "the job is not there: it was removed, or this is a copy from an earlier time";
    }
    if (now.token != known.token) {
        return "the job of this number is another one";
    }
    if (now.incarnation < known.incarnation) {
        return "its state of the job is older than what the run has seen: a copy from an earlier time";
    }
    return std::nullopt;
}

identity identity_of(const identity& server, const record& job) {
    identity known = server;
    known.token = job.token;
    known.incarnation = job.incarnation;
    return known;
}

awaitable<bool> has_ended(pg::connection& session, std::string xid, deadline until) {
    try {
        const pg::result status = co_await session.query(until, "SELECT pg_xact_status($1::text::xid8)", xid);
        co_return status.text(0, 0) != "in progress";
    } catch (const pg::sql_error& failure) {
        if (!failure.is("22023")) {  // "transaction ID is in the future": a crash has undone even its number
            throw;
        }
    }
    co_return true;
}

}  // namespace pgeist::job
