#include "pgeist/report/hooks/hook_observer.hpp"

#include <fmt/format.h>

#include "pgeist/report/outcome_text.hpp"

namespace pgeist::report {

hook_observer::hook_observer(std::string folder, time_source time, std::function<void(const std::string&)> complain)
    : runner_(std::move(folder)), time_(std::move(time)), complain_(std::move(complain)), begun_(time_.now()) {}

std::shared_ptr<hook_runner::ticket> hook_observer::call(const std::string& name, hook_runner::variables more) {
    more.insert(usual_.begin(), usual_.end());
    more["PGEIST_EVENT"] = name.substr(3);
    const auto elapsed = std::chrono::duration_cast<milliseconds>(time_.now() - begun_);
    more["PGEIST_ELAPSED_MS"] = std::to_string(elapsed.count());
    return runner_.run(name, std::move(more));
}

void hook_observer::tell_problems() {
    for (const std::string& each : runner_.take_problems()) {
        complain_(each);
    }
}

void hook_observer::job_started(std::int64_t job, const std::string& table, const std::string&) {
    usual_["PGEIST_JOB"] = std::to_string(job);
    usual_["PGEIST_TABLE"] = table;
    call("on-start", {});
}

void hook_observer::phase_started(const phase& now) {
    usual_["PGEIST_PHASE"] = now.name;
    before_swap_.reset();
    call("on-phase", {{"PGEIST_LOCK", now.lock}});
}

void hook_observer::progressed(const progress& now) {
    tell_problems();
    if (const auto change = waits_.seen(time_.now(), now.throttled)) {
        call("on-throttle", {{"PGEIST_THROTTLED", change->waits ? "1" : "0"}, {"PGEIST_REASON", change->why}});
    }
}

void hook_observer::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    if (lock_waits_.worth_a_line(blockers, time_.now())) {
        call("on-lock-wait", {{"PGEIST_ATTEMPT", std::to_string(attempt)},
                              {"PGEIST_WAITED_MS", std::to_string(waited.count())},
                              {"PGEIST_BLOCKERS", describe(blockers, true)}});
    }
}

void hook_observer::verified(const verification& found) {
    call("on-verified",
         {{"PGEIST_ROWS", std::to_string(found.rows)}, {"PGEIST_DIFFERENCES", std::to_string(found.differences)}});
}

void hook_observer::swapped(const swap_outcome& done) {
    if (done.told_before) {
        return;
    }
    call(done.back ? "on-reverted" : "on-swapped", {{"PGEIST_ATTEMPTS", std::to_string(done.attempts)},
                                                    {"PGEIST_LOCK_HELD_MS", fmt::format("{:.3f}", done.lock_held_ms)},
                                                    {"PGEIST_OLD_TABLE", done.old_table.value_or("")}});
}

void hook_observer::not_revertible(const std::string& why) { call("on-not-revertible", {{"PGEIST_REASON", why}}); }

void hook_observer::message(level, const std::string&) {}

permission hook_observer::may_swap(std::string& why) {
    if (!before_swap_) {
        before_swap_ = call("on-before-swap", {});
        if (!before_swap_) {
            return permission::granted;
        }
    }
    const std::lock_guard guard(before_swap_->mutex);
    if (!before_swap_->problem) {
        return permission::not_yet;
    }
    if (!before_swap_->problem->empty()) {
        why = "hook on-before-swap " + *before_swap_->problem;
        return permission::refused;
    }
    return permission::granted;
}

void hook_observer::finished(const outcome& result) {
    const bool done = result.code == exit_code::done;
    if (before_swap_) {
        const std::lock_guard guard(before_swap_->mutex);
        if (!before_swap_->problem) {
            runner_.stop(before_swap_);
        }
    }
    call(done ? "on-done" : "on-failure",
         {{"PGEIST_EXIT_CODE", std::to_string(static_cast<int>(result.code))},
          {"PGEIST_MESSAGE", result.message.empty() ? message_of(result.code) : result.message},
          {"PGEIST_HINT", result.hint}});
    runner_.finish();
    tell_problems();
}

}  // namespace pgeist::report
