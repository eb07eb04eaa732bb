#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/swapper.hpp"

namespace pgeist::swap {

awaitable<bool> find_outcome(pg::pool& pool, std::int64_t job, std::string xid, deadline until) {
    while (true) {
        bool answered = false;
        bool committed = false;
        try {
            const auto session = co_await pool.acquire();
            const auto soon = deadline::in(std::chrono::seconds(10));
            // The row that the swap itself wrote decides. The transaction's status only tells whether to go on waiting:
            // after a crash the server may know nothing of the number, or have given it to another transaction.
            const pg::result row = co_await session->query(
                soon, "SELECT EXISTS (SELECT FROM pgeist.jobs WHERE id = $1 AND swap_xid = $2::text::xid8)", job, xid);
            committed = row.boolean(0, 0);
            answered = committed;
            if (!committed) {
                const pg::result status = co_await session->query(soon, "SELECT pg_xact_status($1::text::xid8)", xid);
                answered = status.text(0, 0) != "in progress";
            }
        } catch (const pg::sql_error& failure) {
            answered = failure.is("22023");  // "transaction ID is in the future": it never came to be
        }
        if (answered) {
            co_return committed;
        }
        if (until.passed()) {
            throw error(
                exit_code::outcome_unknown,
                fmt::format("the connection was lost at the swap's commit and the server has not answered since "
                            "(job {}, transaction {})",
                            job, xid),
                fmt::format("look before you act: SELECT phase FROM pgeist.jobs WHERE id = {}; phase \"finish\" means "
                            "swapped, then run: pgeist resume {}; any other phase means not swapped",
                            job, job));
        }
        co_await pg::sleep_for(std::chrono::milliseconds(500));
    }
}

}  // namespace pgeist::swap
