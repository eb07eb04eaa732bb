#include "pgeist/report/fan_out.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/report/outcome_text.hpp"

namespace pgeist::report {

template <class Tell>
void fan_out::tell(const Tell& what) {
    for (const auto& each : all_) {
        if (!beside_ || each->tells_jobs_apart()) {
            what(*each);
        }
    }
}

void fan_out::concerns(std::int64_t job) {
    beside_ = job_ && job != *job_ && job != in_its_place_ ? std::optional<std::int64_t>(job) : std::nullopt;
    for (const auto& each : all_) {
        each->concerns(job);
    }
}

void fan_out::steps_in(std::int64_t job) {
    in_its_place_ = job;
    for (const auto& each : all_) {
        each->steps_in(job);
    }
}

void fan_out::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    const bool another = beside_ || job == in_its_place_;
    if (another) {
        tables_[job] = table;
    } else {
        job_ = job;
    }
    for (const auto& each : all_) {
        if (!another || each->tells_jobs_apart()) {
            each->job_started(job, table, strategy);
        }
    }
}

void fan_out::phase_started(const phase& now) {
    tell([&](observer& each) { each.phase_started(now); });
}

void fan_out::progressed(const progress& now) {
    tell([&](observer& each) { each.progressed(now); });
}

void fan_out::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    tell([&](observer& each) { each.lock_waited(attempt, waited, blockers); });
}

void fan_out::verified(const verification& found) {
    tell([&](observer& each) { each.verified(found); });
}

void fan_out::verified_before(const std::string& what) {
    tell([&](observer& each) { each.verified_before(what); });
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
    tell([&](observer& each) { each.swapped(done); });
    if (beside_) {
        tell_beside(level::info, "exchanged in the same transaction");
    }
}

void fan_out::not_revertible(const std::string& why) {
    tell([&](observer& each) { each.not_revertible(why); });
}

void fan_out::message(level severity, const std::string& text) {
    tell([&](observer& each) { each.message(severity, text); });
    if (beside_) {
        tell_beside(severity, text);
    }
}

/// What those who have one job in mind are told of another.
void fan_out::tell_beside(level severity, const std::string& text) {
    const std::string about = fmt::format("job {} ({}): {}", *beside_, tables_[*beside_], text);
    for (const auto& each : all_) {
        if (!each->tells_jobs_apart()) {
            each->message(severity, about);
        }
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
