#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "others.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"
#include "pgeist/tasks/way_back/work.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/replay/truncated.hpp"

namespace pgeist::way_back {

namespace {

constexpr auto between_looks = std::chrono::milliseconds(1000);
constexpr auto between_comparisons = std::chrono::hours(1);
constexpr auto between_notes = std::chrono::seconds(30);
constexpr int few_attempts = 20;

constexpr const char* begin_window_sql = R"(
    UPDATE pgeist.jobs SET revert = coalesce(revert, '{}') || jsonb_build_object('until',
               clock_timestamp() + make_interval(secs => $3::float8))
     WHERE id = $1 AND incarnation = $2 AND revert ->> 'until' IS NULL)";

// By either the table is written to without its statement triggers firing.
constexpr const char* written_past_sql = R"(
    SELECT coalesce((SELECT 'a subscription writes to the table now' FROM pg_subscription_rel WHERE srrelid = $1::bigint::oid LIMIT 1),
                    (SELECT format('the table is a part of %s now', inhparent::regclass) FROM pg_inherits WHERE inhrelid = $1::bigint::oid LIMIT 1)))";

constexpr const char* time_left_sql = R"(
    SELECT (extract(epoch FROM (revert ->> 'until')::timestamptz - clock_timestamp()) * 1000)::bigint
      FROM pgeist.jobs WHERE id = $1)";

}  // namespace

awaitable<std::optional<std::chrono::milliseconds>> work::time_left(pg::connection& session) {
    std::optional<std::chrono::milliseconds> left;
    const pg::result row = co_await session.query(time_left_sql, work_.job);
    if (!row.empty() && !row.is_null(0, 0)) {
        left = std::chrono::milliseconds(row.integer(0, 0));
    }
    co_return left;
}

/// @returns why the way back ends with what others have made of the table in use
std::optional<std::string> work::note_others(const catalog::table& found) {
    std::optional<std::string> why;
    if (found.name.sql() != transfer_.read.name.sql()) {
        renamed_ = fmt::format("{} is called {} now", transfer_.read.name.display(), found.name.display());
    }
    for (const auto& each : transfer_.columns) {
        const auto was = std::find_if(back_.in_use.begin(), back_.in_use.end(), [&](const auto& column) {
            return each.read_name && column.first == *each.read_name;
        });
        const auto* column = each.read_name ? found.find_column(*each.read_name) : nullptr;
        if (was != back_.in_use.end() && (column == nullptr || column->type != was->second)) {
            why = fmt::format("column {} of {} was {} by someone else", display_identifier(was->first),
                              transfer_.read.name.display(), column == nullptr ? "dropped, or renamed," : "changed");
        }
    }
    for (std::string& name : transfer_.read_columns) {
        if (!name.empty() && found.find_column(name) == nullptr) {
            gone_column_ = std::exchange(name, "");
        }
    }
    return why;
}

/// What others have done to either table, if the way back ends with it.
awaitable<std::optional<std::string>> work::why_closed(pg::connection& session) {
    auto why = co_await capture::why_not_in_place(session, transfer_);
    if (why) {
        co_return why;
    }
    const pg::result waits =
        co_await session.query("SELECT FROM pg_class WHERE oid = $1::bigint::oid", transfer_.write.oid);
    if (waits.empty()) {
        why = fmt::format("{}, the table that waits, was dropped", transfer_.write.name.display());
        co_return why;
    }
    const std::string now = co_await catalog::fingerprint(session, transfer_.read.oid);
    if (now == seen_fingerprint_) {
        co_return why;
    }
    renamed_.clear();
    if (now == transfer_.fingerprint) {
        seen_fingerprint_ = now;
        co_return why;
    }
    if (now.empty()) {
        why = fmt::format("table {} was dropped", transfer_.read.name.display());
        co_return why;
    }
    const catalog::table found = co_await catalog::read_shape(session, transfer_.read.oid);
    why = note_others(found);
    if (!why && !transfer_.row_triggers) {
        const pg::result past = co_await session.query(written_past_sql, transfer_.read.oid);
        why = past.optional_text(0, 0);
    }
    seen_fingerprint_ = now;
    co_return why;
}

awaitable<replay::unfit_look> work::note_unfit(pg::connection& session) {
    if (clock::now() >= next_look_at_keys_) {
        co_await settle_keys();
    }
    replay::unfit_look found = co_await replay::look_at_unfit(session, transfer_);
    found.rows += violating_.rows;
    found.first.insert(found.first.end(), violating_.first.begin(), violating_.first.end());
    work_.progress.unfit = found.rows;
    const std::string content = members_of(found, "");
    if (content != stored_unfit_ || clock::now() >= next_unfit_) {
        const pg::result now = co_await session.query(
            "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')");
        std::string members = members_of(found, now.text(0, 0));
        co_await job::save_revert(session, work_.tenure(), std::move(members));
        if (found.rows > 0 && content != stored_unfit_) {
            work_.observer.message(report::level::warning,
                                   fmt::format("{} row{} do not fit the table that waits: {}", format_count(found.rows),
                                               found.rows == 1 ? "" : "s", describe(found)));
        }
        stored_unfit_ = content;
        next_unfit_ = clock::now() + between_notes;
    }
    co_return found;
}

/// Looks once a second at what else decides whether the way is still open.
awaitable<void> work::look(pg::connection& session) {
    if (clock::now() < next_look_ || closed_) {
        co_return;
    }
    next_look_ = clock::now() + between_looks;
    work_.progress.window_left = co_await time_left(session);
    static_cast<void>(co_await note_unfit(session));
    auto why = co_await why_closed(session);
    if (!why && work_.progress.window_left && work_.progress.window_left->count() <= 0) {
        why = "the time in which it could be done is over";
    }
    if (why) {
        co_await switch_off(session, std::move(*why));
    }
}

/// From the next statement on nobody logs anything: without a lock, whoever works on the table. Whoever finds one of
/// the two done, finds the other.
awaitable<void> work::end_capture(pg::connection& session, const std::string& why) {
    co_await session.execute(capture::switch_off_sql(transfer_));
    co_await job::save_revert(session, work_.tenure(), closed_because(why));
}

/// One alone cannot go back.
awaitable<void> work::end_all_captures(pg::connection& session, const std::string& why) {
    for (work* each : all()) {
        co_await job::require_tenure(session, each->work_.tenure());
        co_await each->end_capture(session, why);
    }
}

awaitable<void> work::switch_off(pg::connection& session, std::string why) {
    if (!leader_->others_.empty()) {
        why.insert(0, transfer_.read.name.display() + ": ");
    }
    const auto end = [&] { return leader_->end_all_captures(session, why); };
    co_await job::in_tenure(session, leader_->work_.tenure(), pg::isolation::read_committed, end);
    for (work* each : leader_->all()) {
        each->work_.observer.not_revertible(why);
        each->closed_ = why;
    }
    leader_->work_.observer.message(report::level::warning, "the swap cannot be taken back any more: " + why);
}

/// @throws error when capture has been switched off, perhaps a moment ago and beside the phase that asks
void work::require_open() const {
    if (closed_) {
        throw error(exit_code::refused, "it cannot be reverted any more: " + *closed_,
                    fmt::format("remove what is left of the job with: pgeist cleanup {}", work_.job));
    }
}

/// The log and its triggers go; the old table stays until the job is cleaned up.
awaitable<void> work::give_up() {
    const auto session = co_await work_.pool.acquire();
    lock::policy rules;
    rules.lock_timeout = work_.settings.lock_timeout;
    rules.attempts = few_attempts;
    const std::string script =
        fmt::format("{}DROP SCHEMA IF EXISTS {} CASCADE", capture::drop_triggers_sql(transfer_, transfer_.read.name),
                    quote_identifier(transfer_.schema));
    const auto ours = [this](pg::connection& used) { return job::require_tenure(used, work_.tenure()); };
    std::string problem;
    try {
        const auto blocked = co_await lock::politely(*session, script, rules, ours);
        problem = blocked ? blocked->what() : "";
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        problem = failure.what();
    }
    if (!problem.empty()) {
        work_.observer.message(report::level::warning,
                               fmt::format("triggers that do nothing any more are left on {} ({}): pgeist cleanup {} "
                                           "removes them",
                                           transfer_.read.name.display(), problem, work_.job));
    }
}

namespace {

/// Why replay failed, where the reason may be what others have done to the table.
struct failed_replay {
    std::exception_ptr failure;
    bool misses_column = false;
    bool forbidden = false;
};

/// To be called where it was caught. Throws on what is for somebody else.
failed_replay what_failed() {
    failed_replay found;
    found.failure = std::current_exception();
    try {
        throw;
    } catch (const transfer::source_truncated&) {
        throw;
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        found.misses_column = problem.is(pg::sqlstate::undefined_column);
        found.forbidden = problem.is(pg::sqlstate::insufficient_privilege);
    } catch (const cancelled&) {
        throw;
    } catch (const error&) {
        return found;
    }
    return found;
}

}  // namespace

/// Replay failed: mostly because others have changed the table. Closes the way where that is the end of it.
awaitable<void> work::look_what_others_did(std::exception_ptr failure, bool misses_column, bool forbidden) {
    const auto session = co_await work_.pool.acquire();
    auto why = co_await why_closed(*session);
    if (!why && misses_column && !gone_column_.empty()) {  // named in a --back-set
        why = fmt::format("column {} of {} was dropped, or renamed, by someone else", display_identifier(gone_column_),
                          transfer_.read.name.display());
    }
    if (why) {
        co_await switch_off(*session, std::move(*why));
        co_return;
    }
    if (renamed_.empty()) {
        co_await require_waiting_unchanged(*session, back_);
        if (forbidden) {  // FORCE ROW LEVEL SECURITY, of the table in use
            const catalog::table now = co_await catalog::read_shape(*session, transfer_.read.oid);
            const auto parts = co_await catalog::fingerprint_parts(*session, transfer_.read.oid);
            require_nothing_put_on(back_, parts, now, asked_.lose);
        }
        std::rethrow_exception(failure);
    }
}

awaitable<void> work::catch_up(std::chrono::milliseconds budget) {
    bool truncated = true;
    while (truncated) {
        truncated = false;
        failed_replay failed;
        try {
            co_await changes_.catch_up(budget);
        } catch (const transfer::source_truncated&) {
            truncated = true;
        } catch (...) {
            failed = what_failed();
        }
        if (failed.failure) {
            co_await look_what_others_did(failed.failure, failed.misses_column, failed.forbidden);
            require_open();
            require_name_kept();
        }
        if (truncated) {
            work_.observer.message(report::level::warning,
                                   "the table was truncated: the one that waits is filled anew with the rows since");
            co_await replay::begin_anew(work_);
        }
    }
}

awaitable<void> work::replay_pass() {
    failed_replay failed;
    try {
        co_await changes_.pass();
    } catch (...) {
        failed = what_failed();
    }
    if (failed.failure) {
        co_await look_what_others_did(failed.failure, failed.misses_column, failed.forbidden);
    }
}

/// What is written is logged, whatever the table is called; it is brought to the other one when it has its name again.
void work::require_name_kept() const {
    if (!renamed_.empty()) {
        throw error(exit_code::refused, renamed_,
                    fmt::format("the way back stays open; give it its name again, then: pgeist revert {}", work_.job));
    }
}

void work::tell_renaming() {
    if (renamed_ != told_renaming_ && !renamed_.empty()) {
        work_.observer.message(report::level::warning,
                               renamed_ +
                                   ": what is written is logged, and brought to the table that waits when it "
                                   "has its name again");
    }
    if (renamed_ != told_renaming_) {
        work_.progress.detail = renamed_;
        told_renaming_ = renamed_;
    }
}

/// While the way is open, and as `pgeist verify` asks for it.
awaitable<void> work::compare_meanwhile(std::optional<std::int64_t> asked) {
    next_comparison_ = clock::now() + between_comparisons;
    with_.enter(at(step::verify));
    std::exception_ptr failure;
    job::comparison found;
    try {
        co_await catch_up(rewrite::small_backlog);
        co_await compare_rows(100, found);
    } catch (const error& problem) {
        if (!closed_ && problem.code() != exit_code::verification_failed) {
            throw;
        }
        found.differs = true;
        found.detail = problem.what();
    }
    const auto session = co_await work_.pool.acquire();
    if (asked) {
        found.number = *asked;
        co_await job::answer_verify(*session, work_.tenure(), found);
    }
    if (found.differs && !closed_) {
        work_.observer.message(report::level::warning, "the table that waits differs: " + found.detail);
    }
    if (leader_ == this && !closed_) {
        co_await plan_meanwhile();
    }
    work_.progress.rows_done = 0;
    work_.progress.rows_total = 0;
    with_.enter(at(step::window));
}

/// Each comparison reads with all workers: of tables that changed places together one is compared at a time, and the
/// others are kept in step meanwhile.
awaitable<void> work::compare_in_turn() {
    const auto asked = with_.steering.take_comparison();
    if (asked) {
        comparison_asked(*asked);
        to_answer_ = asked;
    }
    const bool due = to_answer_ || clock::now() >= next_comparison_;
    if (due && !std::exchange(leader_->one_is_compared_, true)) {
        co_await compare_meanwhile(std::exchange(to_answer_, std::nullopt));
        leader_->one_is_compared_ = false;  // a failure ends the work of all
    }
}

awaitable<void> work::begin_window() {
    keeps_ = true;
    if (work_.settings.revert_window && !back_.old_is_in_use() && back_.leg == 1) {
        const auto session = co_await work_.pool.acquire();
        const double seconds = static_cast<double>(work_.settings.revert_window->count()) / 1000;
        co_await session->query(begin_window_sql, work_.job, work_.incarnation, seconds);
    }
}

/// Until it is to leave, or its way back, and so that of all, is closed.
awaitable<void> work::keep_in_step() {
    while (!with_.steering.asked_to_leave()) {
        {
            const auto session = co_await work_.pool.acquire();
            co_await look(*session);
        }
        if (closed_) {
            break;
        }
        tell_renaming();
        if (renamed_.empty()) {
            co_await replay_pass();
        }
        if (renamed_.empty() && !closed_) {
            co_await compare_in_turn();
        }
        co_await pg::sleep_for(rewrite::replay_pause);
    }
}

awaitable<const task::phase*> work::keep_all_in_step() {
    for (work* each : all()) {
        co_await each->begin_window();
    }
    std::vector<awaitable<void>> keeping;
    for (work* each : all()) {
        keeping.push_back(each->keep_in_step());
    }
    co_await pg::run_all(std::move(keeping));
    const task::phase* next = nullptr;
    if (closed_) {
        for (work* each : all()) {
            co_await each->give_up();
        }
        next = &at(step::done);
    }
    for (work* each : others_) {
        if (next != nullptr) {
            const auto session = co_await work_.pool.acquire();
            co_await job::save_phase(*session, each->work_.tenure(), next->name);
        }
    }
    co_return next;
}

}  // namespace pgeist::way_back
