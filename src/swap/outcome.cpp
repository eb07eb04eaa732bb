#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/swapper.hpp"

namespace pgeist::swap {

awaitable<bool> find_outcome(pg::pool& pool, std::int64_t job, std::string xid, deadline until) {
    while (true) {
        std::string status;
        try {
            const auto session = co_await pool.acquire();
            const pg::result row =
                co_await session->query(deadline::in(std::chrono::seconds(10)), "SELECT pg_xact_status($1::xid8)", xid);
            status = row.text(0, 0);
        } catch (const pg::sql_error&) {
            status = "unreachable";
        }
        if (status == "committed" || status == "aborted") {
            co_return status == "committed";
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
