#include "pgeist/report/fan_out.hpp"

#include <algorithm>

#include "pgeist/report/outcome_text.hpp"

namespace pgeist::report {

void fan_out::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    job_ = job;
    for (const auto& each : all_) {
        each->job_started(job, table, strategy);
    }
}

void fan_out::phase_started(const phase& now) {
    for (const auto& each : all_) {
        each->phase_started(now);
    }
}

void fan_out::progressed(const progress& now) {
    for (const auto& each : all_) {
        each->progressed(now);
    }
}

void fan_out::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    for (const auto& each : all_) {
        each->lock_waited(attempt, waited, blockers);
    }
}

void fan_out::verified(const verification& found) {
    for (const auto& each : all_) {
        each->verified(found);
    }
}

void fan_out::verified_before(const std::string& what) {
    for (const auto& each : all_) {
        each->verified_before(what);
    }
}

void fan_out::rehearsed(const rehearsal& found) {
    for (const auto& each : all_) {
        each->rehearsed(found);
    }
}

void fan_out::step_changed(const step_event& now) {
    for (const auto& each : all_) {
        each->step_changed(now);
    }
}

void fan_out::swapped(const swap_outcome& done) {
    for (const auto& each : all_) {
        each->swapped(done);
    }
}

void fan_out::not_revertible(const std::string& why) {
    for (const auto& each : all_) {
        each->not_revertible(why);
    }
}

void fan_out::message(level severity, const std::string& text) {
    for (const auto& each : all_) {
        each->message(severity, text);
    }
}

bool fan_out::wants_description() const {
    return std::any_of(all_.begin(), all_.end(), [](const auto& each) { return each->wants_description(); });
}

void fan_out::described(const description& what) {
    for (const auto& each : all_) {
        each->described(what);
    }
}

permission fan_out::may_swap(std::string& why) {
    permission all = permission::granted;
    for (const auto& each : all_) {
        const permission one = each->may_swap(why);
        if (one == permission::refused) {
            return one;
        }
        all = one == permission::not_yet ? one : all;
    }
    return all;
}

void fan_out::finished(const outcome& result) {
    outcome numbered = result;
    numbered.hint = with_job_number(std::move(numbered.hint), job_);
    for (const auto& each : all_) {
        each->finished(numbered);
    }
}

}  // namespace pgeist::report
