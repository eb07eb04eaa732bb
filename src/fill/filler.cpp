#include "pgeist/fill/filler.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "chunk.hpp"
#include "dead_rows.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/fill/survey.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/verify/range_workers.hpp"
#include "pgeist/walk/boundary_finder.hpp"
#include "pgeist/walk/chunk_sizer.hpp"

namespace pgeist::fill {

namespace {

using clock = deadline::clock;

/// Which rows a pass is about, and what it does about locked ones.
enum class turn { first, second };

/// What is left of the first pass: up to the last key that there was when it was planned.
std::vector<walk::key_range> left_of_first(const spec& of, const walk::finished_ranges& finished) {
    std::vector<walk::key_range> left = walk::gaps(finished);
    if (!of.last_key) {
        return {};
    }
    if (!left.empty() && !left.back().upper) {
        left.back().upper = of.last_key;
        if (left.back().lower == of.last_key) {
            left.pop_back();
        }
    }
    return left;
}

// Who holds the transactions by whose number rows are locked.
constexpr const char* lockers_sql = R"(
    SELECT DISTINCT format('pid %s (user %s, %s)', l.pid, coalesce(a.usename, '?'), coalesce(a.state, 'prepared')) AS who
      FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'transactionid' AND l.granted AND l.transactionid::text = ANY ($1::text[]) ORDER BY 1 LIMIT 5)";

/// `, by pid 7 (user app, active): id = 1; id = 5`; empty where no row that is to be written is locked.
awaitable<std::string> locked_rows_in(workspace& work, pg::connection& session, std::vector<walk::key_range> ranges) {
    constexpr int most = 10;
    std::vector<std::string> keys;
    std::vector<std::string> lockers;
    for (const walk::key_range& each : ranges) {
        walk::bound_sql sql = statements(work.spec).locked(each, most);
        const pg::result rows =
            co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
        for (int row = 0; row < rows.rows() && keys.size() < most; ++row) {
            keys.push_back(rows.text(row, "key"));
            lockers.push_back(rows.text(row, "locker"));
        }
    }
    std::string text;
    if (keys.empty()) {
        co_return text;
    }
    const std::string numbers = pg::array_literal(lockers);
    const pg::result holders = co_await session.query(lockers_sql, numbers);
    for (int row = 0; row < holders.rows(); ++row) {
        text += (row == 0 ? ", by " : ", ") + holders.text(row, 0);
    }
    text += ": " + join(keys, "; ");
    co_return text;
}

/// One pass over the table's rows, by workers.
class pass final : public verify::range_walk {
public:
    pass(workspace& work, turn which, std::string kind)
        : work_(&work), which_(which), kind_(std::move(kind)), dead_(work) {}

    [[nodiscard]] awaitable<void> run() {
        const auto session = co_await work_->pool.acquire();
        co_await walk::prepare_for_bounds(*session);
        const auto finished = co_await job::load_chunks(*session, work_->job, kind_.c_str(), work_->spec.key);
        work_->progress.rows_done = finished.rows;
        auto left = which_ == turn::first ? left_of_first(work_->spec, finished.ranges) : walk::gaps(finished.ranges);
        const auto reach = work_->spec.partitioned ? walk::reach::with_partitions : walk::reach::only;
        walk::boundary_finder finder(*session, work_->spec.table, work_->spec.key, std::move(left), reach);
        finder_ = &finder;
        session_ = &*session;
        // Writers wait for the rows of a chunk: also of the first one, of whose expressions nothing is known yet.
        co_await verify::run_with_workers(*work_, *this, walk::chunk_sizer::smallest);
        session_ = nullptr;
        finder_ = nullptr;
    }

    [[nodiscard]] awaitable<std::optional<walk::key_range>> next(std::int64_t rows) override {
        if (which_ == turn::first) {
            rows = co_await dead_.fitting(*session_, rows);
        }
        auto range = co_await finder_->next(rows);
        // The second pass writes what the first had to leave. It is not held back by dead rows: those of the first may
        // have to stay as long as the transaction that it waits for.
        std::int64_t reserved = 0;
        if (range && which_ == turn::first) {
            reserved = co_await reserve(rows);
        }
        if (range) {
            reserved_[name_of(*range)] = {rows, reserved};
        }
        co_return range;
    }

    [[nodiscard]] awaitable<std::int64_t> look_at(pg::connection& session, walk::key_range range) override {
        const auto reserved = reserved_.extract(name_of(range));
        checkpoint as;
        as.kind = kind_;
        as.with_snapshot = which_ == turn::second;
        as.rows = reserved.mapped().rows;
        if (!range.upper || range.upper == work_->spec.last_key) {  // how many there are is not known
            walk::bound_sql sql = statements(work_->spec).count(range);
            const pg::result row =
                co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
            as.rows = row.integer(0, 0);
        }
        std::int64_t written = 0;
        const locked_rows how = which_ == turn::first ? locked_rows::skip : locked_rows::fail;
        const auto done = co_await write_chunk(*work_, session, range, how, as);
        if (done) {
            written = done->written;
        } else {
            const auto partly = co_await write_chunk(*work_, session, range, locked_rows::skip, std::nullopt);
            written = partly->written;
            as_left_.push_back({range, as});
        }
        dead_.done(reserved.mapped().reserved, written);
        co_return as.rows;
    }

    /// Ranges in which somebody had locked a row, and how they are to be recorded.
    struct left_range {
        walk::key_range range;
        checkpoint as;
    };
    [[nodiscard]] std::vector<left_range> take_left() { return std::move(as_left_); }

private:
    /// Rows that were locked when their turn came are named, too, where it ends before they are tried again.
    [[nodiscard]] awaitable<std::int64_t> reserve(std::int64_t rows) {
        std::optional<error> given_up;
        std::int64_t reserved = 0;
        try {
            reserved = co_await dead_.reserve(*session_, rows);
        } catch (const error& problem) {
            if (problem.code() != exit_code::lock_not_obtained) {
                throw;
            }
            given_up = error(problem.code(), problem.what(), problem.hint());
        }
        if (given_up) {
            const auto session = co_await work_->pool.acquire();
            const std::string locked = co_await locked_so_far(*session);
            const std::string more =
                locked.empty() ? "" : fmt::format("; rows that could not be written yet are locked{}", locked);
            throw error(given_up->code(), given_up->what() + more, given_up->hint());
        }
        co_return reserved;
    }
    /// Up to where all chunks are finished.
    [[nodiscard]] awaitable<std::string> locked_so_far(pg::connection& session) {
        const auto finished = co_await job::load_chunks(session, work_->job, kind_.c_str(), work_->spec.key);
        const auto left = walk::gaps(finished.ranges);
        std::vector<walk::key_range> ranges(1);
        if (!left.empty()) {
            ranges.front().upper = left.front().lower;
        }
        std::string locked;
        if (left.empty() || left.front().lower) {
            locked = co_await locked_rows_in(*work_, session, std::move(ranges));
        }
        co_return locked;
    }
    static std::string name_of(const walk::key_range& range) {
        return range.upper ? pg::array_literal(*range.upper) : std::string();
    }

    workspace* work_;
    turn which_;
    std::string kind_;
    dead_rows dead_;
    pg::connection* session_ = nullptr;
    walk::boundary_finder* finder_ = nullptr;
    struct handed_out {
        std::int64_t rows = 0;
        std::int64_t reserved = 0;  ///< of the dead rows that there may be
    };
    std::map<std::string, handed_out> reserved_;  ///< by the range's end
    std::vector<left_range> as_left_;
};

/// @throws error (lock_not_obtained) naming rows and who has locked them; returns when they are free now
awaitable<void> throw_locked(workspace& work, pg::connection& session, const std::vector<pass::left_range>& left) {
    std::vector<walk::key_range> ranges;
    for (const auto& each : left) {
        ranges.push_back(each.range);
    }
    const std::string rows = co_await locked_rows_in(work, session, std::move(ranges));
    if (rows.empty()) {
        co_return;
    }
    throw error(exit_code::lock_not_obtained,
                fmt::format("rows of {} have been locked for longer than --swap-max-wait ({}){}",
                            work.spec.table.display(), format_duration(work.settings.swap_max_wait), rows),
                fmt::format("all other rows are done; when those are free go on with: pgeist resume {}", work.job));
}

/// Tries what was left as long as --swap-max-wait allows.
awaitable<void> try_left(workspace& work, std::vector<pass::left_range> left) {
    if (left.empty()) {
        co_return;
    }
    const auto session = co_await work.pool.acquire();
    co_await verify::prepare_to_look(*session, work.settings);
    const auto began = clock::now();
    auto next_told = began;
    for (int attempt = 1; !left.empty(); ++attempt) {
        std::vector<pass::left_range> still;
        for (auto& each : left) {
            const auto done = co_await write_chunk(work, *session, each.range, locked_rows::fail, each.as);
            if (!done) {
                static_cast<void>(co_await write_chunk(work, *session, each.range, locked_rows::skip, std::nullopt));
                still.push_back(std::move(each));
            }
        }
        left = std::move(still);
        const auto now = clock::now();
        const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - began);
        if (!left.empty() && waited >= work.settings.swap_max_wait) {
            co_await throw_locked(work, *session, left);
        }
        if (!left.empty()) {
            work.progress.detail = fmt::format("waiting for locked rows in {} chunks", left.size());
            if (now >= next_told) {
                const std::vector<report::blocker> nobody;
                work.observer.lock_waited(attempt, waited, nobody);
                next_told = now + std::chrono::seconds(1);
            }
            co_await pg::sleep_for(std::chrono::milliseconds(std::min(50 * attempt, 1000)));
        }
    }
}

}  // namespace

awaitable<void> reach_behind(pg::connection& session, job::tenure mine, const spec& of, std::string next_phase) {
    const auto ending = [&]() -> awaitable<void> {
        for (const pg::statement& each : of.leftovers) {
            co_await session.execute(each.sql);
        }
        co_await job::save_phase(session, mine, next_phase);
    };
    co_await job::in_tenure(session, mine, pg::isolation::read_committed, ending);
}

transfer::spec walked_table(const spec& of) {
    transfer::spec same;
    same.read.name = of.table;
    same.read.oid = of.source_oid;
    same.read.has_leaves = of.partitioned;
    same.write = same.read;
    same.schema = of.job_schema;
    same.key = of.key;
    return same;
}

awaitable<std::int64_t> filler::done_before(bool second) {
    const std::string& kind = second ? second_ : first_;
    const auto session = co_await work_->pool.acquire();
    const std::int64_t rows = co_await job::rows_in_chunks(*session, work_->job, kind.c_str());
    co_return rows;
}

awaitable<void> filler::fill() {
    work_->progress.rows_total = work_->spec.estimated_rows;
    pass all(*work_, turn::first, first_);
    co_await all.run();
    work_->progress.rows_total = work_->progress.rows_done;
}

awaitable<totals> filler::settle() {
    work_->progress.rows_total = work_->spec.estimated_rows;
    pass all(*work_, turn::second, second_);
    co_await all.run();
    co_await try_left(*work_, all.take_left());
    work_->progress.rows_total = work_->progress.rows_done;
    totals out = co_await count();
    co_await last_look(out);
    co_return out;
}

namespace {

/// A row for which an expression fails has come since: who goes on names it.
awaitable<survey> find_differing(pg::connection& session, const spec& of) {
    survey left;
    try {
        left = co_await look_over(session, of);
    } catch (const pg::sql_error& problem) {
        if (!problem.blames_data()) {
            throw;
        }
        left.differing = 1;
    }
    co_return left;
}

}  // namespace

awaitable<std::int64_t> filler::settle_all() {
    constexpr int most_rounds = 10;
    std::int64_t written = 0;
    survey left;
    for (int round = 0; round < most_rounds; ++round) {
        const totals found = co_await settle();
        written += found.written;
        const auto session = co_await work_->pool.acquire();
        left = co_await find_differing(*session, work_->spec);
        if (left.differing == 0) {
            co_return written;
        }
        // What is looked at next is counted anew.
        co_await job::forget_chunks(*session, work_->tenure(), first_.c_str());
        co_await job::forget_chunks(*session, work_->tenure(), second_.c_str());
    }
    throw error(
        exit_code::verification_failed,
        fmt::format("{} rows of {} do not have their value, and there are new ones each time: {}", left.differing,
                    work_->spec.table.display(), join(left.keys, "; ")),
        fmt::format("look for a trigger that gives them another value; then go on with: pgeist resume {}", work_->job));
}

}  // namespace pgeist::fill
