#include "connection_state.hpp"

#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "pgeist/pg/secrets.hpp"

namespace pgeist::pg {

namespace {

using wait_type = asio::posix::stream_descriptor::wait_type;

constexpr std::size_t most_notices = 100;
constexpr auto cancel_request_timeout = std::chrono::seconds(5);

std::string trimmed(const char* text) {
    std::string out = text == nullptr ? "" : text;
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) {
        out.pop_back();
    }
    return out;
}

std::string field(const PGresult* result, int code) { return trimmed(PQresultErrorField(result, code)); }

void receive_notice(void* argument, const PGresult* result) {
    auto& notices = *static_cast<std::vector<notice>*>(argument);
    if (notices.size() < most_notices) {
        notice received{field(result, PG_DIAG_SEVERITY_NONLOCALIZED), field(result, PG_DIAG_MESSAGE_PRIMARY)};
        notices.push_back(std::move(received));
    }
}

}  // namespace

connection::state::state(asio::any_io_executor ex, connect_options opts)
    : executor(std::move(ex)), options(std::move(opts)), socket(executor), timer(executor) {}

connection::state::~state() {
    // The descriptor belongs to libpq: Asio must let go of it before PQfinish closes it, or a reused number gets its
    // events.
    if (socket.is_open()) {
        socket.release();
    }
    clear_results();
    PQfinish(pg);
}

void connection::state::clear_results() {
    PQclear(std::exchange(rows, nullptr));
    PQclear(std::exchange(failed, nullptr));
    results = 0;
}

void connection::state::forget_lost_socket() {
    if (PQsocket(pg) < 0 && socket.is_open()) {
        socket.release();
    }
}

std::string connection::state::last_error() const { return trimmed(PQerrorMessage(pg)); }

diagnostics connection::state::diagnostics_of(const PGresult* result) const {
    diagnostics diag;
    diag.sqlstate = field(result, PG_DIAG_SQLSTATE);
    diag.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
    diag.detail = field(result, PG_DIAG_MESSAGE_DETAIL);
    diag.hint = field(result, PG_DIAG_MESSAGE_HINT);
    diag.context = field(result, PG_DIAG_CONTEXT);
    diag.schema = field(result, PG_DIAG_SCHEMA_NAME);
    diag.table = field(result, PG_DIAG_TABLE_NAME);
    diag.column = field(result, PG_DIAG_COLUMN_NAME);
    diag.constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
    diag.position = field(result, PG_DIAG_STATEMENT_POSITION);
    diag.statements_done = results;
    if (diag.message.empty()) {
        diag.message = trimmed(PQresultErrorMessage(result));
    }
    if (diag.message.empty()) {
        diag.message = last_error();
    }
    return diag;
}

void connection::state::arm(deadline until) {
    deadline_passed = false;
    ++watch;
    if (until.is_never()) {
        return;
    }
    timer.expires_at(until.time_point());
    timer.async_wait([weak = weak_from_this(), armed = watch](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (!ec && self && self->watch == armed) {
            self->deadline_passed = true;
            self->socket.cancel();
        }
    });
}

void connection::state::disarm() {
    ++watch;
    timer.cancel();
}

awaitable<interruption> connection::state::wait(wait_type direction) {
    boost::system::error_code ec;
    co_await socket.async_wait(direction, asio::redirect_error(asio::use_awaitable, ec));
    if (ec != asio::error::operation_aborted) {
        co_return interruption::none;  // ready, or broken: libpq finds out which
    }
    co_return deadline_passed ? interruption::timed_out : interruption::cancelled;
}

awaitable<interruption> connection::state::wait_to_flush() {
    using namespace asio::experimental::awaitable_operators;
    // The server may be blocked sending to us: waiting for "writable" alone can deadlock (libpq documentation,
    // PQflush).
    auto readable = wait(wait_type::wait_read);
    auto writable = wait(wait_type::wait_write);
    const auto first = co_await (std::move(readable) || std::move(writable));
    co_return first.index() == 0 ? std::get<0>(first) : std::get<1>(first);
}

awaitable<interruption> connection::state::flush() {
    for (int rest = PQflush(pg); rest != 0; rest = PQflush(pg)) {
        forget_lost_socket();
        if (rest < 0 || !socket.is_open()) {
            broken = true;
            co_return interruption::none;
        }
        const interruption why = co_await wait_to_flush();
        if (why != interruption::none) {
            co_return why;
        }
        if (PQconsumeInput(pg) == 0) {
            forget_lost_socket();
            broken = true;
            co_return interruption::none;
        }
    }
    forget_lost_socket();
    co_return interruption::none;
}

bool connection::state::keep(PGresult* result) {
    switch (PQresultStatus(result)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_EMPTY_QUERY:
            PQclear(std::exchange(rows, result));
            ++results;
            return true;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            // Nothing here speaks COPY; a session left in that state is of no use.
            PQclear(result);
            broken = true;
            return false;
        default:
            if (failed == nullptr) {
                failed = result;
            } else {
                PQclear(result);
            }
            return PQstatus(pg) == CONNECTION_OK;
    }
}

awaitable<interruption> connection::state::drive(deadline until) {
    arm(until);
    interruption why = co_await flush();
    while (why == interruption::none && !broken) {
        if (PQisBusy(pg) != 0) {
            if (!socket.is_open()) {
                broken = true;
                break;
            }
            why = co_await wait(wait_type::wait_read);
            if (why == interruption::none && PQconsumeInput(pg) == 0) {
                broken = true;
            }
            forget_lost_socket();
            continue;
        }
        PGresult* result = PQgetResult(pg);
        forget_lost_socket();
        if (result == nullptr || !keep(result)) {
            break;
        }
    }
    disarm();
    broken = broken || PQstatus(pg) != CONNECTION_OK;
    co_return why;
}

awaitable<void> connection::state::end(bool gives_up, std::chrono::milliseconds longest) {
    if (gives_up) {
        co_await cancel_on_server();
    }
    const interruption why = co_await drive(deadline::in(longest));
    broken = broken || why != interruption::none;
}

awaitable<void> connection::state::cancel_on_server() {
    const int pid = backend_pid;
    const std::string start = backend_start;
    connect_options same = options;
    same.connect_timeout(cancel_request_timeout);
    // To this very server: of several hosts another one may answer, where the number is somebody else's.
    same.set("host", PQhost(pg));
    same.set("port", PQport(pg));
    same.set("hostaddr", PQhostaddr(pg));
    try {
        const auto other = co_await connection::open(same, "pgeist cancel");
        const auto until = deadline::in(cancel_request_timeout);
        // Sessions belong to who logged in, whichever role is set for them by default.
        co_await other->execute(until, "SET ROLE NONE");
        co_await other->query(
            until,
            "SELECT pg_cancel_backend(a.pid) FROM pg_stat_activity a, pg_stat_activity me WHERE a.pid = $1 AND "
            "me.pid = pg_backend_pid() AND a.usesysid = me.usesysid AND a.datid = me.datid AND ($2 = '' OR "
            "extract(epoch FROM a.backend_start) = nullif($2, '')::numeric)",
            pid, start);
    } catch (const std::exception&) {  // whatever it is: the answer has to be waited for
    }
}

awaitable<void> connection::state::connect(deadline until) {
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    const auto add = [&](const char* keyword, const char* value) {
        keywords.push_back(keyword);
        values.push_back(value);
    };
    // Before the user's own settings, so that theirs win: notice a dead peer within a minute and a half.
    add("fallback_application_name", "pgeist");
    add("keepalives_idle", "30");
    add("keepalives_interval", "10");
    add("keepalives_count", "6");
    add("tcp_user_timeout", "90000");
    for (const auto& [keyword, value] : options.values()) {
        add(keyword.c_str(), value.c_str());
    }
    add("client_encoding", "UTF8");
    add(nullptr, nullptr);

    pg = PQconnectStartParams(keywords.data(), values.data(), 1);
    if (pg == nullptr) {
        throw std::bad_alloc();
    }
    PQsetNoticeReceiver(pg, receive_notice, &notices);
    arm(until);
    // "As if the last poll said WRITING" (libpq documentation, PQconnectPoll).
    PostgresPollingStatusType next = PQstatus(pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    interruption why = interruption::none;
    while (next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED && why == interruption::none) {
        // libpq may have opened another socket, usually under the same number: register it anew each round.
        socket.assign(PQsocket(pg));
        const auto direction = next == PGRES_POLLING_READING ? wait_type::wait_read : wait_type::wait_write;
        why = co_await wait(direction);
        socket.release();
        if (why == interruption::none) {
            next = PQconnectPoll(pg);
        }
    }
    disarm();
    if (why == interruption::cancelled) {
        throw cancelled();
    }
    if (why != interruption::none || next != PGRES_POLLING_OK) {
        broken = true;
        diagnostics diag;
        diag.message = why == interruption::timed_out ? "connection to the server timed out"
                                                      : harmless_message(last_error(), options);
        diag.hint = "check the connection options, that the server runs, and the password file or service";
        exit_code code = exit_code::connection_lost;
        if (diag.message.find("MULE_INTERNAL") != std::string::npos) {  // in whatever language the server says so
            code = exit_code::refused;
            diag.hint = "the database has an encoding that cannot be converted to UTF-8, which pgeist speaks";
        }
        throw sql_error(code, diag, true, false);
    }
    socket.assign(PQsocket(pg));
    PQsetnonblocking(pg, 1);
    backend_pid = PQbackendPID(pg);
}

}  // namespace pgeist::pg
