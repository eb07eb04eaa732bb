#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "find_kind.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/time_window.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/supervise/disconnected_runs.hpp"

namespace pgeist::commands {

namespace {

constexpr auto between_looks = std::chrono::milliseconds(500);

/// The window has ended: what is at work is interrupted.
class window_over : public error {
public:
    window_over() : error(exit_code::done, "the window is over") {}
};

/// From harmless to what somebody has to look at.
int gravity(exit_code code) {
    constexpr std::array order{exit_code::done,           exit_code::already_running,     exit_code::refused,
                               exit_code::usage,          exit_code::lock_not_obtained,   exit_code::cancelled,
                               exit_code::failed,         exit_code::verification_failed, exit_code::connection_lost,
                               exit_code::outcome_unknown};
    return static_cast<int>(std::find(order.begin(), order.end(), code) - order.begin());
}

/// One call of it.
struct round {
    const pg::connect_options& options;
    const repack_round& what;
    const run::settings& chosen;
    report::observer& observer;
    exit_code worst = exit_code::done;
    int begun = 0;
    bool over = false;  ///< the window

    [[nodiscard]] bool may_begin() const { return !over && begun < what.tables; }
};

int minutes_until_open_now(const repack_round& what) {
    if (!what.window) {
        return 0;
    }
    const int now = local_minute_of_day(std::chrono::system_clock::now());
    return minutes_until_open(parse_windows(*what.window), now).value_or(0);
}

awaitable<void> until_window_ends(const repack_round& what) {
    while (minutes_until_open_now(what) == 0) {
        co_await pg::sleep_for(between_looks);
    }
    throw window_over();
}

awaitable<void> to_its_end(awaitable<exit_code> job) { static_cast<void>(co_await std::move(job)); }

/// Runs one job to its end, or the window's. @throws cancelled
awaitable<void> run_one(round& now, std::string name, awaitable<exit_code> job) {
    ++now.begun;
    std::vector<awaitable<void>> beside;
    beside.push_back(until_window_ends(now.what));
    std::optional<error> failure;
    bool stopped = false;
    try {
        co_await pg::run_beside(to_its_end(std::move(job)), std::move(beside));
    } catch (const window_over&) {
        now.over = true;
    } catch (const cancelled&) {
        stopped = true;
    } catch (const error& problem) {
        failure = problem;
    }
    if (stopped) {
        throw cancelled();
    }
    if (now.over) {
        now.observer.message(report::level::info,
                             fmt::format("{}: the window {} is over; the job goes on in the next one", name,
                                         now.what.window.value_or("")));
    }
    if (failure) {
        now.observer.message(report::level::warning, fmt::format("{}: {}", name, failure->what()));
        if (gravity(failure->code()) > gravity(now.worst)) {
            now.worst = failure->code();
        }
    }
}

struct unfinished {
    std::int64_t job = 0;
    std::string table;
};

// Repacks alone: other jobs are their owners' business. What has failed, and does so again, is not begun every night.
constexpr const char* unfinished_sql = R"sql(
    SELECT j.id, format('%I.%I', j.table_schema, j.table_name) AS name FROM pgeist.jobs j
     WHERE j.blueprint IS NOT NULL AND j.state IN ('interrupted', 'running', 'paused', 'throttled', 'waiting_for_swap')
       AND (j.kind = 'reindex' OR (j.kind = 'copy' AND (j.change ->> 'repack')::boolean
                                   AND j.change -> 'alters' = '[]' AND j.change -> 'sets' = '[]'))
       AND NOT {} ORDER BY j.id)sql";

awaitable<void> read_unfinished(pg::connection& session, std::vector<unfinished>& into) {
    const std::vector<supervise::disconnected_run> absent =
        co_await supervise::find_disconnected(session, std::nullopt);
    const pg::result rows = co_await session.query(fmt::format(unfinished_sql, job::held_condition("j.id")));
    for (int row = 0; row < rows.rows(); ++row) {
        const std::int64_t job = rows.integer(row, "id");
        const bool may_come_back =
            std::any_of(absent.begin(), absent.end(), [&](const auto& each) { return each.job == job; });
        if (!may_come_back) {
            into.push_back({job, rows.text(row, "name")});
        }
    }
}

awaitable<std::vector<unfinished>> find_unfinished(const pg::connect_options& options) {
    const auto session = co_await pg::connection::open(options, "pgeist repack-candidates");
    std::vector<unfinished> found;
    const bool present = co_await job::has_state_schema(*session);
    if (present) {
        co_await job::bring_state_up_to_date(*session);
        const auto reading = [&] { return read_unfinished(*session, found); };
        co_await job::guarded(*session, reading);
    }
    co_return found;
}

awaitable<void> go_on(round& now) {
    const std::vector<unfinished> left = co_await find_unfinished(now.options);
    for (const unfinished& each : left) {
        if (!now.may_begin()) {
            co_return;
        }
        co_await run_one(now, fmt::format("job {}, {}", each.job, each.table),
                         resume(now.options, each.job, named_values(), now.observer));
    }
}

awaitable<exit_code> begin_one(const round& now, const bloated_table& table) {
    if (table.indexes_alone) {
        reindex::request request;
        request.table = table.name;
        return start_reindex(now.options, std::move(request), now.chosen, now.observer);
    }
    plan::change_request change;
    change.table = table.name;
    change.repack = true;
    return start(now.options, std::move(change), now.chosen, now.observer);
}

awaitable<void> begin_new(round& now) {
    const std::vector<bloated_table> best = co_await repack_candidates(now.options, now.what.least);
    for (const bloated_table& each : best) {
        if (!now.may_begin()) {
            co_return;
        }
        if (!each.has_key && !each.indexes_alone) {
            now.observer.message(report::level::info,
                                 fmt::format("{}: has no key by which it could be repacked", each.table));
            continue;
        }
        co_await run_one(now, each.table, begin_one(now, each));
    }
}

}  // namespace

awaitable<exit_code> run_candidates(pg::connect_options options, repack_round what, run::settings chosen,
                                    report::observer& observer) {
    const int closed = minutes_until_open_now(what);
    if (closed > 0) {
        observer.message(report::level::info, fmt::format("outside the window {}, which opens in {}: nothing is begun",
                                                          *what.window, format_duration(std::chrono::minutes(closed))));
        co_return exit_code::done;
    }
    chosen.window.reset();  // at its end a job is left, not held
    round now{options, what, chosen, observer};
    co_await go_on(now);
    if (now.may_begin()) {
        co_await begin_new(now);
    }
    if (now.begun == 0) {
        observer.message(report::level::info, "no table has that much bloat");
    }
    co_return now.worst;
}

}  // namespace pgeist::commands
