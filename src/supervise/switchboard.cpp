#include "pgeist/supervise/switchboard.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "pgeist/core/time_window.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::supervise {

namespace {

throttle::work work_done(std::int64_t rows, std::chrono::nanoseconds took) {
    throttle::work done;
    done.rows = rows;
    done.time = std::chrono::duration_cast<std::chrono::milliseconds>(took);
    return done;
}

std::string paused_by(const job::control_request& request) {
    return request.by.empty() ? "paused by the user" : "paused by " + request.by;
}

}  // namespace

switchboard::switchboard(run::settings& chosen, const job::record& job) : switchboard(chosen) {
    job_ = job.id;
    asked_ = job.asked;
    obeyed_ = job.obeyed;
    changes_made_ = job.obeyed;
    verify_taken_ = job.compared;
    if (asked_.paused) {
        gate_.pause(paused_by(asked_));
    }
}

std::optional<std::int64_t> switchboard::take_comparison() noexcept {
    if (!comparison_asked()) {
        return std::nullopt;
    }
    verify_taken_ = asked_.verify;
    return verify_taken_;
}

void switchboard::change(const job::control_request::change& what, report::observer& to) {
    run::settings trial = *chosen_;
    try {
        run::apply_steering(trial, what.name, what.value);
    } catch (const usage_error& problem) {
        to.message(report::level::warning, fmt::format("{} asked to set {} = {}, which is refused: {}", what.by,
                                                       what.name, what.value, problem.what()));
        return;
    }
    *chosen_ = std::move(trial);
    gate_.configure(*chosen_);
    if (what.name == "workers") {
        governor_ = throttle::worker_governor(chosen_->workers);
    }
    to.message(report::level::info, fmt::format("{} set {} = {}", what.by, what.name, what.value));
}

std::optional<std::int64_t> switchboard::asked(job::control_request request, report::observer& to) {
    if (request.paused && !asked_.paused) {
        gate_.pause(paused_by(request));
    } else if (!request.paused && asked_.paused) {
        gate_.unpause();
    }
    for (const auto& each : request.values) {
        if (each.number > changes_made_) {
            changes_made_ = each.number;
            change(each, to);
        }
    }
    asked_ = std::move(request);
    if (asked_.number <= obeyed_) {
        return std::nullopt;
    }
    obeyed_ = asked_.number;
    return obeyed_;
}

int switchboard::workers(int chosen) const {
    if (chosen_->workers_auto) {
        return governor_.workers();
    }
    return others_at_work() && !chosen_->workers_chosen ? 1 : chosen;
}

void switchboard::govern(std::int64_t rows_done, bool chunks_at_work) {
    if (!chunks_at_work) {
        governor_.rest();
    } else if (chosen_->workers_auto) {
        static_cast<void>(governor_.decide(std::chrono::steady_clock::now(), rows_done, gate_.holds_back()));
    }
}

std::optional<std::string> switchboard::postponed() const {
    if (paused()) {
        return fmt::format("the swap is postponed while the job is paused: pgeist continue {}", job_);
    }
    if (swap_requested()) {
        return std::nullopt;
    }
    if (chosen_->postpone_swap) {
        return fmt::format("the swap is postponed: pgeist swap {}", job_);
    }
    std::error_code problem;
    // A path that cannot be looked at may hide the file: whoever made it wants no swap.
    if (chosen_->postpone_file && (std::filesystem::exists(*chosen_->postpone_file, problem) || problem)) {
        return fmt::format("the swap is postponed while {} exists", *chosen_->postpone_file);
    }
    if (chosen_->swap_window) {
        const int now = local_minute_of_day(std::chrono::system_clock::now());
        const auto left = minutes_until_open(parse_windows(*chosen_->swap_window), now);
        if (left && *left > 0) {
            return fmt::format("outside the swap window {}, which opens in {}", *chosen_->swap_window,
                               format_duration(std::chrono::minutes(*left)));
        }
    }
    return std::nullopt;
}

awaitable<void> switchboard::before_chunk(std::int64_t rows, std::chrono::nanoseconds took) {
    const throttle::work last = work_done(rows, took);
    co_await gate_.pass(last);
}

awaitable<void> switchboard::before_batch(std::int64_t rows, std::chrono::nanoseconds took) {
    const throttle::work last = work_done(rows, took);
    co_await gate_.pass_replay(last);
}

}  // namespace pgeist::supervise
