#include "pgeist/tasks/rewrite/work.hpp"

#include "finish_phase.hpp"
#include "pgeist/build/index_builder.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/plan/estimate.hpp"
#include "pgeist/tasks/rewrite/finish.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/copy/order.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/replay/change_log.hpp"
#include "pgeist/transfer/replay/moved_rows.hpp"
#include "pgeist/transfer/shared/own_tables.hpp"

namespace pgeist::rewrite {

namespace {

constexpr std::string_view bound_constraint = "pgeist_partition_bound";
/// A copy in the order of the file starts again when somebody rewrites the file; who does it again would do it for
/// ever.
constexpr int most_rewritings = 2;

/// Somebody who changes the source makes our own statements fail in many ways: then that is the reason to tell. A
/// partition's bounds, too, are watched by a constraint on the shadow, but known by the source.
bool may_be_by_others_ddl(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const pg::sql_error& what) {
        return what.in_class("42") || std::string_view(what.what()).find(bound_constraint) != std::string_view::npos;
    } catch (const error& what) {
        return std::string_view(what.what()).find(bound_constraint) != std::string_view::npos;
    }
}

std::optional<plan::revert_plan> way_back_of(const job::record& job) {
    std::optional<plan::revert_plan> stored;
    if (job.way_back) {
        stored = plan::revert_plan_from_json(*job.way_back);
    }
    return stored;
}

step step_of(const task::kind& kind, const task::phase& phase) {
    return static_cast<step>(&phase - kind.phases().data());
}

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : kind_(&kind),
      with_(with),
      reached_(step_of(kind, kind.reached(job))),
      plan_(plan::blueprint_from_json(*job.plan)),
      back_(way_back_of(job)),
      transfer_(plan_.transfer()),
      work_{{with.pool, job.id, transfer_, with.chosen, with.observer, with.progress, with.steering, job.incarnation,
             with.hold_pid, &with.known},
            plan_},
      changes_(work_),
      watch_(work_, kind, with.steering) {
    work_.progress.rows_total = plan_.estimated_rows;
}

const task::phase& work::at(step which) const { return kind_->phases()[static_cast<std::size_t>(which)]; }

awaitable<void> work::begin(const task::phase& next) {
    const step now = step_of(*kind_, next);
    if (now > step::capture && now < step::finish) {
        co_await replay::finish_log_replacement(work_);
    }
}

awaitable<std::int64_t> work::done_before(const task::phase& next) {
    std::int64_t rows = 0;
    if (next.told.in_chunks) {
        const auto session = co_await work_.pool.acquire();
        rows = co_await job::rows_in_chunks(*session, work_.job, next.name.c_str());
    }
    co_return rows;
}

std::vector<double> work::expected_seconds() const {
    const plan::phase_estimate rough = plan::estimate_of_phases(plan_);
    const auto in_seconds = [](std::chrono::milliseconds time) { return std::chrono::duration<double>(time).count(); };
    std::vector<double> all(kind_->phases().size(), 0);
    all[static_cast<std::size_t>(step::copy)] = in_seconds(rough.copy);
    all[static_cast<std::size_t>(step::key)] = in_seconds(rough.key);
    all[static_cast<std::size_t>(step::build)] = in_seconds(rough.build);
    if (work_.settings.verify != run::verify_mode::off) {
        const bool full = work_.settings.verify == run::verify_mode::full;
        const double part = full ? 1 : work_.settings.verify_sample_percent / 100;
        all[static_cast<std::size_t>(step::verify)] = in_seconds(rough.verify) * part;
    }
    return all;
}

awaitable<void> work::watch(pg::connection& session, const task::phase& now) { return watch_.look(session, now); }

awaitable<void> work::reach(pg::connection& session, job::tenure mine, const task::phase& next) {
    if (kind_->is_done(next) && back_) {
        co_await job::hand_over(session, mine, kind_of_way_back, first_phase_of_way_back);
    } else {
        co_await task::work::reach(session, mine, next);
    }
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    const step phase = step_of(*kind_, now);
    bool truncated = false;
    bool rewritten = false;
    std::exception_ptr failure;
    try {
        co_await do_phase(phase);
        work_.observer.progressed(work_.progress);
    } catch (const transfer::source_truncated&) {
        truncated = true;
    } catch (const transfer::source_rewritten&) {
        rewritten = true;
    } catch (const error&) {
        failure = std::current_exception();
    }
    if (phase < step::finish && may_blame_others(failure)) {
        co_await require_unchanged();
    }
    if (failure) {
        std::rethrow_exception(failure);  // before any await: a cancellation must not take its place
    }
    step next = phase;
    if (rewritten) {
        next = co_await after_rewriting(phase);
    } else if (truncated) {
        co_await tell_and_copy_again();
        next = step::copy;
    } else {
        next = static_cast<step>(static_cast<int>(phase) + 1);
    }
    co_return &at(next);
}

bool work::may_blame_others(const std::exception_ptr& failure) const {
    return failure && !has_swapped_ && may_be_by_others_ddl(failure);
}

awaitable<const task::phase*> work::look_again() {
    step next = step::swap;
    std::int64_t truncated = 0;
    job::source_rows rows = job::source_rows::in_place;
    {
        const auto session = co_await work_.pool.acquire();
        truncated = co_await capture::truncations(*session, transfer_);
        rows = co_await job::source_rows_since(*session, work_.job, plan_.source_oid);
    }
    if (truncated > 0) {
        co_await tell_and_copy_again();
        next = step::copy;
    } else if (rows == job::source_rows::rewritten) {
        next = co_await after_rewriting(step::swap);
    }
    co_return &at(next);
}

awaitable<const task::phase*> work::keep_up() {
    bool truncated = false;
    std::exception_ptr failure;
    try {
        co_await replay_one_table();
    } catch (const transfer::source_truncated&) {
        truncated = true;
    } catch (const error&) {
        failure = std::current_exception();
    }
    if (may_blame_others(failure)) {
        co_await require_unchanged();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    if (truncated) {
        co_await tell_and_copy_again();
    }
    co_return &at(truncated ? step::copy : step::swap);
}

awaitable<void> work::replay_one_table() { co_await changes_.pass(); }

awaitable<void> work::tell_and_copy_again() {
    work_.observer.message(report::level::warning, "the source table was truncated: the copy starts again");
    co_await start_copy_again();
}

awaitable<void> work::do_phase(step now) {
    switch (now) {
        case step::prepare:
            throw error(exit_code::failed, "the job was interrupted before its shadow table was made",
                        "remove it with: pgeist cleanup, and run again");
        case step::capture:
            co_await capture();
            break;
        case step::copy:
            co_await copy::copy_all(work_);
            work_.progress.rows_total = work_.progress.rows_done;
            break;
        case step::key:
            work_.progress.rows_total = 0;
            if (transfer_.by_place()) {
                co_await replay::delete_moved_rows(work_);
                co_await copy::forget_order(work_);
            }
            co_await build_key();
            break;
        case step::replay:
        case step::catch_up:
            work_.progress.rows_total = 0;
            co_await changes_.catch_up(small_backlog);
            break;
        case step::build:
            co_await build();
            break;
        case step::verify:
            co_await verify(work_.settings.verify);
            break;
        case step::swap:
            co_await swap();
            break;
        case step::finish:
            co_await finish();
            break;
        case step::done:
            break;
    }
}

awaitable<void> work::finish() {
    plan::revert_plan* back = back_.has_value() ? &*back_ : nullptr;
    co_await rewrite::finish(work_, back);
}

awaitable<void> work::note_in_use() {
    if (back_) {
        const auto session = co_await work_.pool.acquire();
        co_await rewrite::note_in_use(work_, *session, *back_);
    }
}

/// In the copy only the order of the file is lost. After it values may have changed, and a comparison of every row is
/// the only one that would notice, whatever --verify says. Who rewrites the file also builds its indexes anew: whether
/// they led to every row of the file of before is not asked again. (Else a rewriting now and then would never let the
/// walk over the file come to its end.)
awaitable<step> work::after_rewriting(step now) {
    const std::string what = "the source table was rewritten by someone else: ";
    if (now == step::copy) {
        ++rewritten_in_copy_;
        const bool too_often = rewritten_in_copy_ >= most_rewritings;
        if (too_often && !plan_.order.empty()) {
            throw error(exit_code::failed, what + "twice within the copy, which cannot keep the rows in order so",
                        "find out who does that, then go on with: pgeist resume JOB");
        }
        const bool by_key = too_often;
        work_.observer.message(report::level::warning,
                               what + "the copy starts again" + (by_key ? ", in the order of the key" : ""));
        co_await start_copy_again();
        co_return step::copy;
    }
    work_.observer.message(report::level::warning, what + "comparing every row");
    with_.chosen.verify = run::verify_mode::full;
    indexes_are_new_ = true;
    const auto session = co_await work_.pool.acquire();
    co_await job::save_settings(*session, work_.tenure(), with_.chosen);
    co_await job::forget_chunks(*session, work_.tenure(), "verify");
    co_return step::verify;
}

awaitable<void> work::require_unchanged() {
    const auto session = co_await work_.pool.acquire();
    co_await transfer::require_unchanged(*session, work_.transfer);
}

awaitable<void> work::save_phase(step next) {
    const auto session = co_await work_.pool.acquire();
    co_await job::save_phase(*session, work_.tenure(), at(next).name);
}

namespace {

awaitable<void> forget_copy(build::workspace& work, const plan::blueprint& next, pg::connection& session) {
    const std::string job = quote_identifier(work.plan.job_schema);
    co_await session.execute("TRUNCATE " + work.plan.shadow().sql());
    co_await session.execute(copy::forget_order_sql(work.transfer));
    co_await build::drop_indexes(session, work.plan);
    // Only rows of the log that this snapshot sees may go: what commits later is not in the chunks' snapshots either.
    // REPEATABLE READ is not needed, since each statement's snapshot is older than every chunk that is still to come.
    co_await session.execute(fmt::format(
        "DELETE FROM {0}.pgeist_truncations; DELETE FROM {0}.pgeist_log; DELETE FROM {0}.pgeist_recheck", job));
    co_await job::forget_chunks(session, work.tenure(), "copy");
    co_await job::forget_chunks(session, work.tenure(), "verify");
    co_await job::save_source_file(session, work.tenure(), work.plan.source_oid);
    co_await job::save_plan(session, work.job, plan::to_json(next), next.estimated_rows);
    co_await job::save_phase(session, work.tenure(), "copy");
}

}  // namespace

awaitable<void> work::start_copy_again() {
    const auto session = co_await work_.pool.acquire();
    plan::blueprint next = plan_;
    next.heap_order = plan_.heap_order && rewritten_in_copy_ < most_rewritings;
    const auto emptying = [&] { return forget_copy(work_, next, *session); };
    co_await transfer::in_tenure_alone(work_, *session, emptying);
    plan_.heap_order = next.heap_order;
    transfer_.heap_order = next.heap_order;
    work_.progress.rows_total = work_.plan.estimated_rows;
}

}  // namespace pgeist::rewrite
