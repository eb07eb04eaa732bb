#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/tasks/way_back/work.hpp"

// The table that waits has no foreign keys, so that its rows need not come in any order: those that a key of it would
// refuse are not set apart by replay. Where the table in use has the key, too, there are none. For keys that the
// change, or others, have dropped they are looked for here, and told as those that do not fit.
namespace pgeist::way_back {

namespace {

constexpr int rounds = 5;
constexpr auto between_rounds = std::chrono::milliseconds(200);
constexpr auto between_looks_at_keys = std::chrono::seconds(30);

std::vector<plan::statement> queries_of(const plan::blueprint& plan) {
    std::vector<plan::statement> queries = plan.violations;
    queries.insert(queries.end(), plan.violations_between.begin(), plan.violations_between.end());
    return queries;
}

void add(const pg::result& rows, const std::string& key, replay::unfit_look& into) {
    for (int row = 0; row < rows.rows(); ++row) {
        replay::unfit_row each;
        each.key = rows.text(row, 0);
        each.reason = "violates " + key;
        each.sqlstate = pg::sqlstate::foreign_key_violation;
        into.first.push_back(std::move(each));
    }
    into.rows += rows.rows();
}

}  // namespace

awaitable<void> work::look_at_keys() {
    const auto session = co_await work_.pool.acquire();
    replay::unfit_look found;
    for (const plan::statement& each : key_queries_) {
        const pg::result rows = co_await session->query(each.sql);
        add(rows, each.label, found);
    }
    violating_ = std::move(found);
}

/// A violation that a change waiting in the log explains is looked at again.
awaitable<void> work::settle_keys() {
    co_await look_at_keys();
    for (int round = 1; round < rounds && violating_.rows > 0 && !closed_; ++round) {
        co_await pg::sleep_for(between_rounds);
        co_await replay_pass();
        co_await look_at_keys();
    }
    const bool any = violating_.rows > 0;
    next_look_at_keys_ = any ? clock::now() + between_looks_at_keys : clock::time_point::max();
}

void work::watch_keys(const std::vector<planned>& made) {
    const std::vector<work*> tables = all();
    for (std::size_t place = 0; place < tables.size(); ++place) {
        tables[place]->key_queries_ = queries_of(made[place].swap);
        tables[place]->next_look_at_keys_ = clock::now();
    }
}

/// What would be in the way of a swap back is told while there is time.
awaitable<void> work::plan_meanwhile() {
    std::vector<planned> made;
    std::string problem;
    try {
        const auto session = co_await work_.pool.acquire();
        co_await try_plan(*session, made);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        problem = failure.what();
    } catch (const cancelled&) {
        throw;
    } catch (const error& failure) {
        problem = failure.what();
    }
    if (problem.empty()) {
        watch_keys(made);
    } else {
        work_.observer.message(report::level::warning, "it could not be swapped back now: " + problem);
    }
}

awaitable<void> work::note_violations(const std::vector<planned>& made) {
    watch_keys(made);
    for (work* each : all()) {
        co_await each->settle_keys();
    }
}

}  // namespace pgeist::way_back
