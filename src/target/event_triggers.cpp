#include "pgeist/catalog/event_triggers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/target/build_context.hpp"

// An event trigger of the user's is fired by what pgeist makes and drops for itself, and may refuse it or change it.
// What it does cannot be known, so nobody is refused for having one; but whoever is refused is told which it was.
namespace pgeist::target {

namespace {

std::string how_to_go_on(const build_context& at, const std::string& name) {
    return fmt::format("ALTER EVENT TRIGGER {} DISABLE for the time of the run, or let it pass over schemas {} and {}",
                       name, at.job_schema, at.passage_schema);
}

std::vector<catalog::event_trigger> all_of(const build_context& at) {
    std::vector<catalog::event_trigger> all;
    for (const auto& each : at.event_triggers) {
        catalog::event_trigger one;
        one.name = each.name;
        one.event = each.event;
        one.function = each.function;
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace

awaitable<void> read_event_triggers(build_context& at) {
    const auto all = co_await catalog::read_event_triggers(at.conn);
    for (const auto& each : all) {
        event_trigger one;
        one.name = each.name;
        one.event = each.event;
        one.function = each.function;
        at.event_triggers.push_back(std::move(one));
    }
}

std::string hint_for(const build_context& at, const pg::sql_error& problem) {
    const auto all = all_of(at);
    const auto* who = catalog::raised_by(all, problem);
    if (who == nullptr) {
        return problem.diag().hint;
    }
    return fmt::format("event trigger {} (function {}) refused it: {}", who->name, who->function,
                       how_to_go_on(at, who->name));
}

std::string suspects(const build_context& at) {
    const std::string names = catalog::may_have_changed(all_of(at));
    if (names.empty()) {
        return {};
    }
    const std::string first = names.substr(0, names.find(" ("));
    return fmt::format("event trigger {} may have changed it: {}", names, how_to_go_on(at, first));
}

}  // namespace pgeist::target
