#include "pgeist/pg/connection.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "connection_state.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/session_settings.hpp"

namespace pgeist::pg {

namespace {

// Long enough for a server under load to notice the cancel request and roll back.
constexpr auto drain_timeout = std::chrono::seconds(15);
constexpr auto rollback_timeout = std::chrono::seconds(15);
constexpr int most_openings = 20;

/// Parameters in the shape libpq wants; the values stay where they are.
std::vector<const char*> pointers_to(const parameters& values) {
    std::vector<const char*> pointers;
    pointers.reserve(values.size());
    for (const auto& value : values) {
        pointers.push_back(value ? value->c_str() : nullptr);
    }
    return pointers;
}

exit_code code_for(bool broken) { return broken ? exit_code::connection_lost : exit_code::failed; }

}  // namespace

/// Marks the connection as busy for one operation; two at once are a bug in the caller.
class connection::operation {
public:
    explicit operation(std::shared_ptr<state> st) : state_(std::move(st)) {
        if (state_->busy) {
            throw std::logic_error("a second operation was started on a busy connection");
        }
        if (state_->broken) {
            diagnostics diag;
            diag.message = "the connection to the server is lost";
            throw sql_error(exit_code::connection_lost, diag, true, false);
        }
        state_->busy = true;
        state_->clear_results();
    }
    ~operation() { state_->busy = false; }
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

private:
    std::shared_ptr<state> state_;
};

connection::connection(std::shared_ptr<state> shared) : state_(std::move(shared)) {}

connection::~connection() = default;

awaitable<std::unique_ptr<connection>> connection::connect(connect_options options, deadline until) {
    const auto executor = co_await asio::this_coro::executor;
    auto shared = std::make_shared<state>(executor, std::move(options));
    co_await shared->connect(until);
    // Also what came from PGOPTIONS or a service file: options() tells what the session was begun with.
    const char* given = PQoptions(shared->pg);
    if (given != nullptr && *given != '\0') {
        shared->options.set("options", given);
    }
    std::unique_ptr<connection> connected(new connection(std::move(shared)));
    co_return connected;
}

awaitable<std::unique_ptr<connection>> connection::open(connect_options options, std::string application_name) {
    const auto until = deadline::in(options.connect_timeout());
    auto opened = co_await connect(options, until);
    std::string settings = session_settings_sql(opened->server_version(), application_name);
    // As who logged in: a role that is set by default may not see its own session's times.
    settings +=
        "; SET LOCAL ROLE NONE; SELECT pid, extract(epoch FROM backend_start) FROM pg_stat_activity WHERE pid = "
        "pg_backend_pid()";
    // A role may have a statement_timeout so short that it sometimes ends even the statement that takes it away, or a
    // transaction_timeout, which ends the session.
    bool ended = false;
    for (int tries = 1;; ++tries) {
        if (ended) {
            opened = co_await connect(options, until);
        }
        try {
            std::string script = settings;
            const result row = co_await opened->execute(until, std::move(script));
            if (!row.empty()) {
                // A pooler tells libpq a number of its own.
                opened->state_->backend_pid = static_cast<int>(row.integer(0, 0));
                opened->state_->backend_start = row.text(0, 1);
            }
            break;
        } catch (const sql_error& failure) {
            ended = failure.is(sqlstate::transaction_timeout);
            if ((!ended && !failure.is(sqlstate::query_canceled)) || tries == most_openings) {
                throw;
            }
        }
    }
    co_return opened;
}

awaitable<result> connection::finish_operation(deadline until, verb what) {
    const auto st = state_;
    if (until.is_never() && st->answer_time && what == verb::statement) {
        until = deadline::in(*st->answer_time);
    }
    const interruption why = co_await st->drive(until);
    if (why != interruption::none) {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await shielded(st->end(what == verb::statement, drain_timeout));
        co_await asio::this_coro::throw_if_cancelled(true);
        // It may also have come meanwhile. Only a COMMIT in doubt counts for more: then the next co_await throws it.
        const asio::cancellation_state now = co_await asio::this_coro::cancellation_state;
        const bool stop = why == interruption::cancelled || now.cancelled() != asio::cancellation_type::none;
        if (stop && !(what == verb::commit && st->broken)) {
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            throw cancelled();
        }
    }
    if (why == interruption::timed_out && what == verb::statement) {
        throw timed_out(st->broken);
    }
    if (st->failed != nullptr || st->broken) {
        diagnostics diag = st->failed != nullptr ? st->diagnostics_of(st->failed) : diagnostics();
        if (diag.message.empty()) {
            diag.message = st->last_error();
        }
        throw sql_error(code_for(st->broken), diag, st->broken, what == verb::commit && st->broken);
    }
    co_return result(std::exchange(st->rows, nullptr));
}

void connection::throw_not_sent() {
    state_->forget_lost_socket();
    state_->broken = state_->broken || PQstatus(state_->pg) != CONNECTION_OK;
    diagnostics diag;
    diag.message = state_->last_error();
    throw sql_error(code_for(state_->broken), diag, state_->broken, false);
}

awaitable<result> connection::query_params(std::string sql, parameters values, deadline until) {
    if (state_->keeps_plans) {
        std::string name = co_await prepared(std::move(sql));
        auto found = co_await run_prepared(std::move(name), std::move(values), until);
        co_return found;
    }
    const operation current(state_);
    const auto pointers = pointers_to(values);
    const int count = static_cast<int>(pointers.size());
    if (PQsendQueryParams(state_->pg, sql.c_str(), count, nullptr, pointers.data(), nullptr, nullptr, 0) == 0) {
        throw_not_sent();
    }
    auto rows = co_await finish_operation(until, verb::statement);
    co_return rows;
}

awaitable<result> connection::execute(std::string script) {
    auto rows = co_await execute(deadline::never(), std::move(script));
    co_return rows;
}

awaitable<result> connection::execute(deadline until, std::string script) {
    const operation current(state_);
    if (PQsendQuery(state_->pg, script.c_str()) == 0) {
        throw_not_sent();
    }
    auto rows = co_await finish_operation(until, verb::statement);
    co_return rows;
}

awaitable<void> connection::prepare(std::string name, std::string sql) {
    const operation current(state_);
    if (PQsendPrepare(state_->pg, name.c_str(), sql.c_str(), 0, nullptr) == 0) {
        throw_not_sent();
    }
    co_await finish_operation(deadline::never(), verb::statement);
}

awaitable<std::string> connection::prepared(std::string sql) {
    const auto known = state_->prepared.find(sql);
    if (known != state_->prepared.end()) {
        co_return known->second;
    }
    std::string name = fmt::format("pgeist_{}", state_->prepared.size() + 1);
    co_await prepare(name, sql);
    state_->prepared.emplace(std::move(sql), name);
    co_return name;
}

connection::kept_plans::kept_plans(connection& of) noexcept : state_(of.state_), before_(of.state_->keeps_plans) {
    state_->keeps_plans = true;
}

connection::kept_plans::~kept_plans() { state_->keeps_plans = before_; }

awaitable<result> connection::run_prepared(std::string name, parameters values, deadline until) {
    const operation current(state_);
    const auto pointers = pointers_to(values);
    const int count = static_cast<int>(pointers.size());
    if (PQsendQueryPrepared(state_->pg, name.c_str(), count, pointers.data(), nullptr, nullptr, 0) == 0) {
        throw_not_sent();
    }
    auto rows = co_await finish_operation(until, verb::statement);
    co_return rows;
}

awaitable<void> connection::adopt(session_profile profile, deadline until) {
    std::string refused;
    try {
        if (!profile.empty()) {
            co_await execute(until, profile.sql());
        }
    } catch (const sql_error& failure) {
        if (!failure.in_class("22")) {
            throw;
        }
        refused = failure.diag().message;
    }
    if (!refused.empty()) {
        throw error(exit_code::failed,
                    fmt::format("the server does not take a setting under which the job converts values: {}", refused),
                    "let it know the value (a locale, a time zone, a text search configuration) as it did when the job "
                    "was begun, then go on with: pgeist resume");
    }
    state_->profile = std::move(profile);
}

const session_profile& connection::profile() const noexcept { return state_->profile; }

awaitable<void> connection::begin(isolation level) {
    std::string sql = "BEGIN ISOLATION LEVEL READ COMMITTED";
    if (level == isolation::repeatable_read) {
        sql = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    }
    co_await execute(std::move(sql));
}

awaitable<void> connection::commit() {
    const operation current(state_);
    if (PQsendQuery(state_->pg, "COMMIT") == 0) {
        throw_not_sent();
    }
    auto rows = co_await finish_operation(deadline::never(), verb::commit);
    // COMMIT of a transaction that has failed answers ROLLBACK without an error.
    if (std::string_view(PQcmdStatus(rows.raw())) != "COMMIT") {
        diagnostics diag;
        diag.message = "the transaction was rolled back instead of committed";
        throw sql_error(exit_code::failed, diag, false, false);
    }
}

awaitable<void> connection::rollback() {
    if (state_->broken || PQtransactionStatus(state_->pg) == PQTRANS_IDLE) {
        co_return;
    }
    // A cancellation that comes now must neither cut the rollback short nor be lost: like COMMIT, it is answered first.
    try {
        const operation current(state_);
        if (PQsendQuery(state_->pg, "ROLLBACK") == 0) {
            throw_not_sent();
        }
        co_await finish_operation(deadline::in(rollback_timeout), verb::rollback);
    } catch (const sql_error&) {
        state_->broken = true;  // a session whose transaction cannot be ended is not used again
    }
}

bool connection::idle() const noexcept {
    return !state_->broken && !state_->busy && PQtransactionStatus(state_->pg) == PQTRANS_IDLE;
}

bool connection::broken() const noexcept { return state_->broken; }

std::optional<int> connection::own_port() const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const bool known = ::getsockname(PQsocket(state_->pg), reinterpret_cast<sockaddr*>(&address), &size) == 0;
    std::optional<int> port;
    if (known && address.ss_family == AF_INET) {
        port = ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    } else if (known && address.ss_family == AF_INET6) {
        port = ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    }
    return port;
}

int connection::backend_pid() const noexcept { return state_->backend_pid; }

const std::string& connection::backend_start() const noexcept { return state_->backend_start; }

void connection::answer_within(std::chrono::milliseconds time) noexcept { state_->answer_time = time; }

int connection::server_version() const noexcept { return PQserverVersion(state_->pg); }

std::string connection::database() const { return PQdb(state_->pg); }

std::string connection::user() const { return PQuser(state_->pg); }

std::string connection::describe() const {
    return fmt::format("{}@{}:{}/{}", PQuser(state_->pg), PQhost(state_->pg), PQport(state_->pg), PQdb(state_->pg));
}

const connect_options& connection::options() const noexcept { return state_->options; }

bool connection::was_notified() {
    const operation current(state_);
    if (PQconsumeInput(state_->pg) == 0) {
        state_->forget_lost_socket();
        state_->broken = true;
        return false;  // the next statement says so
    }
    bool any = false;
    while (PGnotify* one = PQnotifies(state_->pg)) {
        PQfreemem(one);
        any = true;
    }
    return any;
}

std::vector<notice> connection::take_notices() { return std::exchange(state_->notices, {}); }

}  // namespace pgeist::pg
