#include "pgeist/report/phase_times.hpp"

#include <algorithm>
#include <utility>

namespace pgeist::report {

void phase_times::start(std::string name, time_point now) {
    stop(now);
    current_ = std::move(name);
    started_ = now;
    running_ = true;
}

void phase_times::stop(time_point now) {
    if (!running_) {
        return;
    }
    const milliseconds time = current_time(now);
    running_ = false;
    const auto same = [&](const entry& each) { return each.name == current_; };
    const auto found = std::find_if(entries_.begin(), entries_.end(), same);
    if (found != entries_.end()) {
        found->time += time;
    } else {
        entries_.push_back(entry{current_, time});
    }
}

phase_times::milliseconds phase_times::current_time(time_point now) const {
    return running_ ? std::chrono::duration_cast<milliseconds>(now - started_) : milliseconds(0);
}

}  // namespace pgeist::report
