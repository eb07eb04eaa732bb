#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pgeist/core/deadline.hpp"
#include "pgeist/pg/awaitable.hpp"
#include "pgeist/pg/connect_options.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/pg/sql_error.hpp"

namespace pgeist::pg {

/// Values for `$1`, `$2`, … in text format; nullopt is NULL.
using parameters = std::vector<std::optional<std::string>>;

/// One value as a parameter: strings, numbers, booleans, and optionals of them.
template <class T>
[[nodiscard]] std::optional<std::string> to_parameter(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        return value ? "true" : "false";
    } else if constexpr (std::is_arithmetic_v<T>) {
        return std::to_string(value);
    } else if constexpr (std::is_constructible_v<std::string, T>) {
        return std::string(value);
    } else {
        if (value) {
            return to_parameter(*value);
        }
        return std::nullopt;
    }
}

enum class isolation { read_committed, repeatable_read };

/// A message of severity below ERROR that the server sent.
struct notice {
    std::string severity;
    std::string message;
};

/// One session on the server, driven by libpq in non-blocking mode. One operation at a time: a second one while the
/// first is under way throws std::logic_error. Used from the thread of its executor only.
///
/// Every operation ends in one of three ways: with its result; with `sql_error` (the connection stays usable unless
/// `poisons_connection()`); or, when the awaiting coroutine is cancelled (terminal), with `pgeist::cancelled` after the
/// statement has been cancelled on the server and the connection drained. Then, and only then, the awaiting coroutine
/// has its cancellation disabled, so that clean-up such as `rollback()` can be awaited. A statement that is given up
/// because its deadline has passed leaves it as it is.
class connection {
    struct state;

public:
    /// Opens a session with pgeist's settings: `search_path` is `pg_catalog` alone, no statement, lock or idle
    /// timeouts, read-write transactions, `row_security` off, whatever the role or the database have as defaults.
    /// Settings that shape values are the user's until a profile is adopted.
    /// @throws sql_error with exit code `connection_lost`
    [[nodiscard]] static awaitable<std::unique_ptr<connection>> open(connect_options options,
                                                                     std::string application_name);

    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Runs one statement with parameters `$1` … and returns its rows. No deadline: see the overload with one.
    template <class... Values>
    [[nodiscard]] awaitable<result> query(std::string sql, const Values&... values) {
        return query_params(std::move(sql), parameters{to_parameter(values)...}, deadline::never());
    }
    /// As above; after `until` the statement is cancelled on the server and `timed_out` thrown.
    template <class... Values>
    [[nodiscard]] awaitable<result> query(deadline until, std::string sql, const Values&... values) {
        return query_params(std::move(sql), parameters{to_parameter(values)...}, until);
    }
    [[nodiscard]] awaitable<result> query_params(std::string sql, parameters values, deadline until);

    /// From now on a statement without a deadline of its own has to be answered within this time.
    void answer_within(std::chrono::milliseconds time) noexcept;

    /// Runs a script of one or more statements without parameters; the rows of the last one are returned.
    [[nodiscard]] awaitable<result> execute(std::string script);
    [[nodiscard]] awaitable<result> execute(deadline until, std::string script);

    /// Prepares `sql` as `name` for this session.
    [[nodiscard]] awaitable<void> prepare(std::string name, std::string sql);
    template <class... Values>
    [[nodiscard]] awaitable<result> query_prepared(std::string name, const Values&... values) {
        return run_prepared(std::move(name), parameters{to_parameter(values)...}, deadline::never());
    }

    /// While this lives, query() prepares each distinct text once for the session. With plan_cache_mode =
    /// force_generic_plan that saves planning it again: for catalog queries where every millisecond counts.
    class kept_plans {
    public:
        explicit kept_plans(connection& of) noexcept;
        ~kept_plans();
        kept_plans(const kept_plans&) = delete;
        kept_plans& operator=(const kept_plans&) = delete;

    private:
        std::shared_ptr<state> state_;
        bool before_;
    };

    /// Sets all of a profile's settings, and remembers them for whoever changes one of them for a while. Nothing is set
    /// when the profile is empty. @throws sql_error; error (failed) when the server does not take a value
    [[nodiscard]] awaitable<void> adopt(session_profile profile, deadline until = deadline::never());
    /// What was adopted last; empty when nothing was.
    [[nodiscard]] const session_profile& profile() const noexcept;

    [[nodiscard]] awaitable<void> begin(isolation level = isolation::read_committed);
    /// @throws sql_error with `outcome_unknown()` when the connection is lost before the answer; a cancellation that
    /// came meanwhile is thrown by the next co_await then.
    [[nodiscard]] awaitable<void> commit();
    /// Ends an open transaction; does nothing when none is open or the connection is broken. Never throws sql_error; a
    /// cancellation meanwhile is thrown when the transaction has ended.
    [[nodiscard]] awaitable<void> rollback();

    /// A healthy session in no transaction.
    [[nodiscard]] bool idle() const noexcept;
    [[nodiscard]] bool broken() const noexcept;
    /// Also of a connection that is lost.
    [[nodiscard]] int backend_pid() const noexcept;
    /// This end's port; nullopt for a Unix-domain socket, and for a connection that is lost.
    [[nodiscard]] std::optional<int> own_port() const;
    /// When the server began this session, in seconds since 1970 with microseconds: with the number, which the server
    /// gives to others later, it tells a session from every other one. Also of a connection that is lost.
    [[nodiscard]] const std::string& backend_start() const noexcept;
    /// 150018 for 15.18.
    [[nodiscard]] int server_version() const noexcept;
    /// The major version: 14 … 19.
    [[nodiscard]] int server_major() const noexcept { return server_version() / 10000; }
    /// Host, port, user and database as connected, for messages; never the password.
    [[nodiscard]] std::string describe() const;
    [[nodiscard]] std::string database() const;
    [[nodiscard]] std::string user() const;
    [[nodiscard]] const connect_options& options() const noexcept;
    /// Whether the server has sent a notification (NOTIFY) on a channel that this session listens to since the last
    /// call. Looks at what has arrived and does not wait; nothing may be under way.
    [[nodiscard]] bool was_notified();
    /// Notices since the last call, oldest first; at most 100 are kept.
    [[nodiscard]] std::vector<notice> take_notices();

private:
    class operation;
    enum class verb { statement, commit, rollback };
    explicit connection(std::shared_ptr<state> shared);
    [[nodiscard]] static awaitable<std::unique_ptr<connection>> connect(connect_options options, deadline until);

    [[nodiscard]] awaitable<result> run_prepared(std::string name, parameters values, deadline until);
    [[nodiscard]] awaitable<std::string> prepared(std::string sql);
    [[noreturn]] void throw_not_sent();
    [[nodiscard]] awaitable<result> finish_operation(deadline until, verb what);

    std::shared_ptr<state> state_;
};

}  // namespace pgeist::pg
