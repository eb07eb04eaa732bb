#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/swapper.hpp"

namespace pgeist::swap {

namespace {

constexpr auto answer_timeout = std::chrono::seconds(10);
constexpr auto between_questions = std::chrono::milliseconds(500);

/// Whether this is the server to ask: not a standby, not another cluster, not a copy from earlier.
awaitable<bool> is_the_one(build::workspace& work, pg::connection& session, deadline until) {
    if (work.known == nullptr) {
        co_return true;
    }
    const job::identity now = co_await job::identify(session, work.job, until);
    co_return !now.in_recovery && !job::difference(*work.known, now);
}

/// Whether the swap is committed; nothing while that is not certain.
awaitable<std::optional<bool>> ask(build::workspace& work, const std::string& xid) {
    std::optional<bool> committed;
    const auto session = co_await work.pool.open_own("pgeist");
    const auto soon = deadline::in(answer_timeout);
    const bool believed = co_await is_the_one(work, *session, soon);
    if (!believed) {
        co_return committed;
    }
    // First whether the transaction has ended, then what it left: the other way round a commit between the two
    // questions would be taken for a rollback.
    const bool ended = co_await job::has_ended(*session, xid, soon);
    if (!ended) {
        co_return committed;
    }
    // The row that the swap itself wrote decides. The transaction's status would not do: after a crash the server may
    // know nothing of the number, or have given it to another transaction.
    const pg::result row = co_await session->query(
        soon, "SELECT swap_xid IS NOT DISTINCT FROM $2::text::xid8 FROM pgeist.jobs WHERE id = $1", work.job, xid);
    if (!row.empty()) {
        committed = row.boolean(0, 0);
    }
    co_return committed;
}

}  // namespace

awaitable<bool> find_outcome(build::workspace& work, std::string xid, deadline until) {
    while (true) {
        std::optional<bool> committed;
        try {
            committed = co_await ask(work, xid);
        } catch (const pg::sql_error&) {
            committed.reset();  // not reachable, or not ready: it may answer yet
        }
        if (committed) {
            co_return *committed;
        }
        if (until.passed()) {
            throw error(
                exit_code::outcome_unknown,
                fmt::format("the connection was lost at the swap's commit and the server has not answered since "
                            "(job {}, transaction {})",
                            work.job, xid),
                fmt::format("look before you act: SELECT phase FROM pgeist.jobs WHERE id = {0}; phase \"finish\" means "
                            "swapped, any other phase not swapped; pgeist resume {0} finds out by itself and goes on",
                            work.job));
        }
        co_await pg::sleep_for(between_questions);
    }
}

}  // namespace pgeist::swap
