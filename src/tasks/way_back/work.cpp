#include "pgeist/tasks/way_back/work.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/replay/change_log.hpp"
#include "pgeist/transfer/replay/truncated.hpp"

namespace pgeist::way_back {

namespace {

constexpr auto between_sizes = std::chrono::milliseconds(500);
constexpr auto until_first_comparison = std::chrono::hours(1);

step step_at(const task::kind& kind, const task::phase& phase) {
    return static_cast<step>(&phase - kind.phases().data());
}

plan::revert_plan stored_plan(const job::record& job) {
    if (!job.way_back) {
        throw error(exit_code::failed, "the job has no way back");
    }
    return plan::revert_plan_from_json(*job.way_back);
}

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : kind_(&kind),
      with_(with),
      plan_(plan::blueprint_from_json(*job.plan)),
      back_(stored_plan(job)),
      change_(plan::change_request_from_json(job.change)),
      asked_(facts_from(job.revert)),
      rests_(job.phase == kind.phases().front().name),
      transfer_(back_.back),
      work_(workspace_of(transfer_, plan_)),
      changes_(work_),
      leader_(this),
      closed_(asked_.why_not),
      next_look_(clock::now()),
      next_size_(clock::now()),
      next_comparison_(clock::now() + until_first_comparison),
      next_unfit_(clock::now()),
      next_look_at_keys_(clock::time_point::max()) {
    work_.progress.rows_total = 0;
}

work::~work() = default;

void work::lead(std::vector<work*> others) {
    others_ = std::move(others);
    for (work* each : others_) {
        each->leader_ = this;
    }
}

std::vector<work*> work::all() {
    std::vector<work*> tables{this};
    tables.insert(tables.end(), others_.begin(), others_.end());
    return tables;
}

build::workspace work::workspace_of(const transfer::spec& transfer, const plan::blueprint& plan) const {
    return {{with_.pool, with_.mine.job, transfer, with_.chosen, with_.observer, with_.progress, with_.steering,
             with_.mine.incarnation, with_.hold_pid, &with_.known},
            plan};
}

const task::phase& work::at(step which) const { return kind_->phases()[static_cast<std::size_t>(which)]; }

awaitable<void> work::begin(const task::phase& next) {
    if (step_at(*kind_, next) >= step::finish) {
        co_return;
    }
    for (work* each : all()) {
        if (!each->closed_) {
            co_await replay::finish_log_replacement(each->work_);
        }
    }
}

awaitable<std::int64_t> work::done_before(const task::phase&) { co_return 0; }

std::optional<std::string> work::resting_state(const task::phase& now) const {
    std::optional<std::string> state;
    if (keeps_ || step_at(*kind_, now) == step::window) {
        state = back_.old_is_in_use() ? "reverted" : "done";
    }
    return state;
}

/// Which of the tables was truncated, each log says.
awaitable<void> work::fill_anew() {
    for (work* each : all()) {
        std::int64_t truncated = 0;
        {
            const auto session = co_await work_.pool.acquire();
            truncated = co_await capture::truncations(*session, each->transfer_);
        }
        if (truncated > 0) {
            each->work_.observer.message(
                report::level::warning,
                "the table was truncated: the one that waits is filled anew with the rows since");
            co_await replay::begin_anew(each->work_);
        }
    }
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    const step phase = step_at(*kind_, now);
    bool truncated = false;
    bool rewritten = false;
    const task::phase* next = nullptr;
    try {
        next = co_await do_phase(phase);
    } catch (const transfer::source_truncated&) {
        truncated = true;
    } catch (const transfer::source_rewritten&) {
        rewritten = true;
    }
    if (truncated) {
        co_await fill_anew();
        next = &at(phase == step::window ? step::window : step::catch_up);
    } else if (rewritten) {
        work_.observer.message(report::level::warning, "the table was rewritten by someone else: comparing every row");
        with_.chosen.verify = run::verify_mode::full;
        next = &at(step::verify);
    }
    co_return next;
}

/// The supervisor tells of this one alone, and stores how far it is.
awaitable<void> work::enter_others(step now) {
    for (work* each : others_) {
        each->with_.enter(at(now));
        if (now > step::window && now < step::finish) {
            const auto session = co_await work_.pool.acquire();
            co_await job::save_phase(*session, each->work_.tenure(), at(now).name);
        }
    }
}

awaitable<const task::phase*> work::do_phase(step now) {
    const task::phase* next = nullptr;
    if (now != step::window && now < step::finish) {
        require_open();
    }
    co_await enter_others(now);
    switch (now) {
        case step::window:
            next = co_await keep_all_in_step();
            break;
        case step::catch_up:
            next = co_await prepare_swap();
            break;
        case step::verify:
            if (work_.settings.verify != run::verify_mode::off) {
                co_await compare_each();
            }
            next = &at(step::swap);
            break;
        case step::swap:
            next = co_await swap();
            break;
        case step::finish:
            co_await finish_all();  // the job rests again, and this process has done its part
            break;
        case step::done:
            break;
    }
    co_return next;
}

/// A log that nobody replays fast enough ends here: without a lock, at once.
awaitable<void> work::watch(pg::connection& session, const task::phase& now) {
    const auto to_come = [&] { return with_.steering.effect_state() == task::effect::to_come; };
    if (step_at(*kind_, now) > step::swap || !to_come() || closed_ || !work_.settings.max_log_size ||
        clock::now() < next_size_) {
        co_return;
    }
    next_size_ = clock::now() + between_sizes;
    std::int64_t bytes = 0;
    try {
        bytes = co_await capture::log_bytes(session, work_.transfer);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection() || !failure.passing()) {
            throw;
        }
    }
    const std::int64_t most = work_.settings.max_log_size.value_or(bytes);
    if (bytes > most && to_come()) {  // still: an attempt may have begun meanwhile
        co_await switch_off(session, fmt::format("the change log has grown to {}, more than --max-log-size allows ({})",
                                                 format_size(bytes), format_size(most)));
    }
}

}  // namespace pgeist::way_back
