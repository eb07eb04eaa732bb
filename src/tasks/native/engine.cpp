#include "pgeist/tasks/native/engine.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "executors.hpp"
#include "made.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/politely.hpp"

namespace pgeist::native {

namespace {

bool is_over(const steps::stored_step& each) {
    return each.state == steps::state::done || each.state == steps::state::skipped;
}

/// How a failure is named: the step, and where it stands.
std::string place_of(const steps::step& what, std::size_t of) {
    const std::string line = what.line == 0 ? "" : fmt::format(" (line {})", what.line);
    return of == 1 && line.empty() ? std::string() : fmt::format("step {} of {}{}: ", what.number, of, line);
}

/// Takes one action back, and records that in the same transaction.
awaitable<void> undo_action(pg::connection& session, job::tenure mine, const steps::step& of, int at) {
    std::string script = users_settings_sql(of, settings_hold::in_transaction);
    const steps::action& what = of.actions.at(static_cast<std::size_t>(at));
    // Constraints before the column: some go with it, and those that do not read it stay.
    for (auto each = what.made.rbegin(); each != what.made.rend(); ++each) {
        const std::string sql = co_await undoing_sql(session, *each);
        script += sql.empty() ? "" : "; " + sql;
    }
    const lock::policy rules;
    const auto first = [&mine, &of, at](pg::connection& used) {
        return steps::save_progress(used, mine, of.number, steps::state::started, at);
    };
    const auto blocked = co_await lock::politely(session, script, rules, first);
    if (blocked) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("what a step had made found no moment to be taken back: {}", blocked->what()),
                    fmt::format("try again with: pgeist cleanup {}", mine.job));
    }
}

}  // namespace

awaitable<void> record(pg::connection& session, const task::context& with, const steps::step& of, int at,
                       std::chrono::milliseconds took) {
    const bool last = static_cast<std::size_t>(at) + 1 == of.actions.size();
    const steps::state now = last ? steps::state::done : steps::state::started;
    co_await steps::save_progress(session, with.mine, of.number, now, at + 1);
    if (took.count() > 0) {
        co_await steps::add_work(session, with.mine, of.number, took);
    }
    if (last) {
        co_await concurrently::forget(session, with.mine);
    }
}

awaitable<int> take_back(pg::connection& session, job::tenure mine, steps::step of, int actions_done) {
    for (int at = actions_done - 1; at >= 0; --at) {
        const steps::action& what = of.actions.at(static_cast<std::size_t>(at));
        if (what.checks_anew) {
            co_return at + 1;
        }
        if (what.undo != steps::undoing::nothing) {
            co_await undo_action(session, mine, of, at);
        }
    }
    co_return 0;
}

std::string what_stays(const steps::step& of) {
    return fmt::format(
        "{} has its new type already, and the CHECKs over the column are NOT VALID until the step is "
        "gone on with",
        of.table);
}

engine::engine(const task::context& with) : with_(with) {
    using kind = steps::action_kind;
    own_.push_back(std::make_unique<transactions>());
    own_.push_back(std::make_unique<server_steps>());
    for (const kind each : {kind::transaction, kind::patient, kind::run_alone}) {
        add(each, *own_.front());
    }
    for (const kind each :
         {kind::build_index, kind::build_on_partitions, kind::drop_index, kind::reindex, kind::detach}) {
        add(each, *own_.back());
    }
}

engine::~engine() = default;

void engine::add(steps::action_kind kind, executor& does) { executors_[kind] = &does; }

void engine::tell(const steps::stored_step& now, steps::state state) {
    report::step_event what;
    what.number = now.what.number;
    what.of = static_cast<int>(all_.size());
    what.statement = now.what.statement;
    what.method = steps::word_of(now.what.how);
    what.state = steps::word_of(state);
    with_.observer.step_changed(what);
}

awaitable<void> engine::save(const steps::stored_step& now) {
    const auto session = co_await with_.pool.acquire();
    const auto saving = [&] {
        return steps::save_progress(*session, with_.mine, now.what.number, now.state, now.actions_done, now.message);
    };
    co_await pg::transaction(*session, pg::isolation::read_committed, saving);
}

awaitable<void> engine::run() {
    const auto session = co_await with_.pool.acquire();
    all_ = co_await steps::load_steps(*session, with_.mine.job);
    with_.progress.rows_total = static_cast<std::int64_t>(all_.size());
    for (steps::stored_step& each : all_) {
        with_.progress.rows_done = each.what.number - 1;
        if (is_over(each)) {
            continue;
        }
        co_await with_.steering.before_chunk(0, std::chrono::nanoseconds(0));
        co_await run_step(each);
    }
    with_.progress.rows_done = with_.progress.rows_total;
    with_.progress.detail.clear();
    with_.observer.progressed(with_.progress);
}

awaitable<void> engine::run_step(steps::stored_step& now) {
    if (now.what.how == steps::method::nothing) {
        now.state = steps::state::skipped;
        now.message = now.what.why;
        co_await save(now);
        tell(now, now.state);
        co_return;
    }
    now.state = steps::state::started;
    now.message.clear();
    co_await save(now);
    tell(now, now.state);
    std::optional<too_slow> slow;
    std::optional<error> failed;
    try {
        co_await do_actions(now);
    } catch (const needs_copy&) {
        throw;
    } catch (const cancelled&) {
        throw;
    } catch (const too_slow& why) {
        slow = why;
    } catch (const error& why) {
        const bool goes_on = why.code() == exit_code::connection_lost || why.code() == exit_code::lock_not_obtained ||
                             why.code() == exit_code::already_running || why.code() == exit_code::outcome_unknown;
        if (goes_on) {
            throw;  // what is done of the step stays, for whoever goes on
        }
        failed = error(why.code(), why.what(), why.hint());
    }
    if (slow && !now.what.otherwise.empty()) {
        co_await go_over(now, *slow);
        co_await run_step(now);
        co_return;
    }
    if (slow) {
        // What only a copy would do is refused where none is allowed, also where that shows but now.
        const bool refuse = with_.chosen.method == run::method_choice::native;
        failed = error(refuse ? exit_code::refused : exit_code::failed, slow->what(), slow->hint());
    }
    if (failed) {
        co_await fail(now, failed->what());
        const std::string hint = failed->hint().empty()
                                     ? "what was done of this step is taken back, earlier steps stay; "
                                       "set it right, then go on with: pgeist resume JOB"
                                     : failed->hint();
        // Refused is what changes nothing: here the steps before it have.
        const bool first = now.what.number == 1;
        const exit_code code = failed->code() == exit_code::refused && !first ? exit_code::failed : failed->code();
        throw error(code, place_of(now.what, all_.size()) + failed->what(), hint);
    }
    now.state = steps::state::done;
    tell(now, now.state);
}

awaitable<void> engine::do_actions(steps::stored_step& now) {
    while (static_cast<std::size_t>(now.actions_done) < now.what.actions.size()) {
        const steps::action& next = now.what.actions[static_cast<std::size_t>(now.actions_done)];
        const auto does = executors_.find(next.kind);
        if (does == executors_.end()) {
            throw needs_copy(exit_code::failed, now.what.statement);
        }
        with_.progress.detail = next.label;
        co_await with_.steering.before_chunk(0, std::chrono::nanoseconds(0));
        co_await does->second->carry_out(with_, now.what, now.actions_done);
        ++now.actions_done;
    }
}

awaitable<void> engine::go_over(steps::stored_step& now, const too_slow& why) {
    steps::step next = now.what.otherwise.front();
    next.session = now.what.session;
    with_.observer.message(report::level::warning,
                           fmt::format("{}{}; it is done by the next method: {}", place_of(now.what, all_.size()),
                                       why.what(), steps::word_of(next.how)));
    const auto session = co_await with_.pool.acquire();
    const auto replacing = [&] { return steps::replace_step(*session, with_.mine, next); };
    co_await pg::transaction(*session, pg::isolation::read_committed, replacing);
    now.what = std::move(next);
    now.actions_done = 0;
}

awaitable<void> engine::take_back_failed(steps::stored_step& now) {
    const auto session = co_await with_.pool.acquire();
    now.actions_done = co_await take_back(*session, with_.mine, now.what, now.actions_done);
    co_await take_back_builds(with_);
    if (now.actions_done > 0) {
        with_.observer.message(report::level::warning, what_stays(now.what));
    }
}

awaitable<void> engine::fail(steps::stored_step& now, std::string why) {
    std::string left;
    try {
        co_await take_back_failed(now);
    } catch (const cancelled&) {
        throw;
    } catch (const error& problem) {
        if (problem.code() == exit_code::connection_lost || problem.code() == exit_code::already_running) {
            throw;
        }
        left = problem.what();
    }
    const auto session = co_await with_.pool.acquire();
    if (!left.empty()) {
        const auto stored = co_await steps::load_steps(*session, with_.mine.job);
        now.actions_done = stored.at(static_cast<std::size_t>(now.what.number) - 1).actions_done;
        with_.observer.message(
            report::level::warning,
            fmt::format("what the step had made could not be taken back yet, which pgeist cleanup {} does: {}",
                        with_.mine.job, left));
    }
    now.state = steps::state::failed;
    now.message = std::move(why);
    co_await save(now);
}

}  // namespace pgeist::native
