#include "pgeist/pg/pool.hpp"

#include <utility>

#include "pgeist/pg/session_settings.hpp"

namespace pgeist::pg {

namespace {

// A session whose server does not even answer this is of no use.
constexpr auto longest_reset = std::chrono::seconds(30);

}  // namespace

pool::pool(connect_options options, std::string application_name)
    : options_(std::move(options)), application_name_(std::move(application_name)) {}

pool::lease::~lease() {
    if (session_ && session_->idle()) {
        owner_->idle_.push_back(std::move(session_));
    }
}

awaitable<void> pool::check(connection& session) {
    if (condition_.empty()) {
        co_return;
    }
    // As who logged in: a role that is set by default may not see the times of the login's sessions.
    std::string question = "SET LOCAL ROLE NONE; SELECT " + condition_;
    const result row = co_await session.execute(deadline::in(longest_reset), std::move(question));
    if (!row.boolean(0, 0)) {
        diagnostics diag;
        diag.message = "a new connection leads to another server than the one that holds the job's lock";
        throw sql_error(exit_code::connection_lost, diag, true, false);
    }
}

awaitable<pool::lease> pool::acquire() {
    std::unique_ptr<connection> session;
    while (!idle_.empty() && !session) {
        session = std::move(idle_.back());
        idle_.pop_back();
        try {
            const auto soon = deadline::in(longest_reset);
            co_await session->execute(soon, "RESET ALL");
            co_await session->execute(soon, session_settings_sql(session->server_version(), application_name_));
            co_await session->adopt(profile_, deadline::in(longest_reset));
        } catch (const sql_error&) {
            session.reset();  // died while idle: take another
        }
    }
    if (!session) {
        session = co_await connection::open(options_, application_name_);
        co_await check(*session);
        co_await session->adopt(profile_, deadline::in(longest_reset));
    }
    lease borrowed(*this, std::move(session));
    co_return borrowed;
}

awaitable<std::unique_ptr<connection>> pool::open_own(std::string application_name) {
    auto session = co_await connection::open(options_, std::move(application_name));
    co_await session->adopt(profile_, deadline::in(longest_reset));
    co_return session;
}

}  // namespace pgeist::pg
