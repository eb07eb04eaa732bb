#include "pgeist/build/violations.hpp"

#include <fmt/format.h>

#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::build {

namespace {

constexpr int rounds = 5;
constexpr auto pause = std::chrono::milliseconds(200);

awaitable<std::vector<std::string>> violating_keys(workspace& work, const pg::statement& query) {
    const auto session = co_await work.pool.acquire();
    const pg::result rows = co_await session->query(query.sql);
    std::vector<std::string> keys;
    for (int row = 0; row < rows.rows(); ++row) {
        keys.push_back(rows.text(row, 0));
    }
    co_return keys;
}

}  // namespace

awaitable<void> check_violations(workspace& work, replay::replayer& changes) {
    for (const pg::statement& each : work.plan.violations) {
        work.progress.detail = "checking " + each.label;
        std::vector<std::string> keys = co_await violating_keys(work, each);
        for (int round = 1; round < rounds && !keys.empty(); ++round) {
            co_await pg::sleep_for(pause);
            co_await changes.pass();
            keys = co_await violating_keys(work, each);
        }
        if (!keys.empty()) {
            const bool back = work.transfer.sets_apart;  // there they count as rows that do not fit
            throw error(back ? exit_code::refused : exit_code::failed,
                        fmt::format("rows violate {}; their keys: {}", each.label, join(keys, "; ")),
                        fmt::format("{}; {}",
                                    back ? "nothing was swapped; mend the rows"
                                         : "the source table is untouched; mend the rows or the change",
                                    transfer::what_next(work.transfer)));
        }
    }
}

}  // namespace pgeist::build
