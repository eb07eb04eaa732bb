#include "pgeist/report/lock_wait_view.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr auto longest_silence = std::chrono::seconds(5);
constexpr std::size_t query_columns = 60;

}  // namespace

std::string describe(const blocker& one, bool in_full) {
    std::vector<std::string> facts;
    for (const std::string* fact : {&one.user, &one.application}) {
        if (!fact->empty()) {
            facts.push_back(one_line(*fact));
        }
    }
    const std::string state = one.state.empty() ? "open" : one_line(one.state);
    const bool aged = one.other.empty() || one.age.count() > 0;
    facts.push_back(aged ? fmt::format("{} for {}", state, format_duration(one.age)) : state);
    const std::string who = one.other.empty() ? fmt::format("pid {}", one.pid) : one_line(one.other);
    std::string text = fmt::format("{} ({})", who, fmt::join(facts, ", "));
    if (!one.query.empty()) {
        const std::string query = one_line(one.query);
        text += ": " + (in_full ? query : shortened(query, query_columns, true));
    }
    return text;
}

std::string describe(const std::vector<blocker>& all, bool in_full) {
    if (all.empty()) {
        return "unknown sessions";
    }
    std::string text;
    for (const blocker& one : all) {
        text += (text.empty() ? "" : "; ") + describe(one, in_full);
    }
    return text;
}

std::string waited_for(int attempt) {
    return attempt > 0 ? fmt::format("a lock, attempt {}", attempt) : "old snapshots to be gone";
}

bool lock_wait_filter::worth_a_line(const std::vector<blocker>& blockers, time_point now) {
    std::vector<int> pids;
    pids.reserve(blockers.size());
    for (const blocker& one : blockers) {
        pids.push_back(one.pid);
    }
    std::sort(pids.begin(), pids.end());
    const bool worth = !any_ || pids != pids_ || now - last_ >= longest_silence;
    if (worth) {
        any_ = true;
        last_ = now;
        pids_ = std::move(pids);
    }
    return worth;
}

}  // namespace pgeist::report
