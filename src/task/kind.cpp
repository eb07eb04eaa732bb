#include "pgeist/task/kind.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace pgeist::task {

const phase& kind::phase_named(const std::string& name) const {
    const auto found =
        std::find_if(phases_.begin(), phases_.end(), [&](const phase& each) { return each.name == name; });
    if (found == phases_.end()) {
        throw error(exit_code::failed,
                    fmt::format("the job is in phase \"{}\", which this version of pgeist does not know", name),
                    "use the version of pgeist that started the job");
    }
    return *found;
}

const phase& kind::first_in_effect() const {
    const auto found = std::find_if(phases_.begin(), phases_.end(), [](const phase& each) { return each.in_effect; });
    if (found == phases_.end()) {
        throw std::logic_error("kind " + labels_.name + " has no phase in which its change is in effect");
    }
    return *found;
}

const phase& kind::next(const phase& now) const { return is_done(now) ? now : *(&now + 1); }

std::string kind::state_when_ended(const job::record&, exit_code code) const {
    switch (code) {
        case exit_code::done:
            return "done";
        case exit_code::cancelled:
        case exit_code::lock_not_obtained:
        case exit_code::connection_lost:
            return "interrupted";
        default:
            return "failed";
    }
}

awaitable<void> kind::introduce(pg::pool&, const job::record& job, report::observer& to, std::string server) const {
    if (to.wants_description()) {
        report::description what;
        what.server = std::move(server);
        what.change = describe(job.change);
        to.described(what);
    }
    co_return;
}

awaitable<void> kind::tell_effect(pg::pool&, const job::record&, report::observer&) const { co_return; }

awaitable<void> work::reach(pg::connection& session, job::tenure mine, const phase& next) {
    co_await job::save_phase(session, mine, next.name);
}

}  // namespace pgeist::task
