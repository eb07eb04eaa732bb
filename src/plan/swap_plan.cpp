#include "pgeist/plan/swap_plan.hpp"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include <fmt/format.h>

namespace pgeist::plan {

namespace {

swap_step step_of(stage when, pg::statement what) {
    swap_step step;
    step.when = when;
    step.label = std::move(what.label);
    step.sql = std::move(what.sql);
    return step;
}

}  // namespace

swap_step& swap_plan::add(stage when, pg::statement what) { return add(step_of(when, std::move(what))); }

swap_step& swap_plan::add(swap_step step) { return steps_.emplace_back(std::move(step)); }

void swap_plan::add_all(stage when, std::vector<pg::statement> what) {
    for (pg::statement& each : what) {
        add(when, std::move(each));
    }
}

swap_step& swap_plan::add_first(stage when, pg::statement what) {
    return *steps_.insert(steps_.begin(), step_of(when, std::move(what)));
}

std::vector<pg::statement> swap_plan::statements(stage when) const {
    std::vector<pg::statement> found;
    for (const swap_step& each : steps_) {
        if (each.when == when && !each.sql.empty()) {
            found.push_back({each.label, each.sql});
        }
    }
    return found;
}

std::vector<pg::statement> swap_plan::undo() const {
    std::vector<pg::statement> found;
    for (auto each = steps_.rbegin(); each != steps_.rend(); ++each) {
        if (!each->undo.empty()) {
            found.push_back({each->label, each->undo});
        }
    }
    return found;
}

std::vector<const swap_lock*> swap_plan::locks(lock_way by) const {
    std::vector<const swap_lock*> found;
    const auto is_new = [&](const swap_lock& each) {
        return std::none_of(found.begin(), found.end(),
                            [&](const swap_lock* other) { return other->name == each.name; });
    };
    for (const stage when : stages_under_locks) {
        for (const swap_step& step : steps_) {
            for (const swap_lock& each : step.locks) {
                if (step.when == when && each.by == by && is_new(each)) {
                    found.push_back(&each);
                }
            }
        }
    }
    return found;
}

std::vector<qualified_name> swap_plan::locked_parents() const {
    std::vector<qualified_name> names;
    for (const swap_lock* each : locks(lock_way::parent)) {
        names.push_back(each->name);
    }
    return names;
}

std::vector<qualified_name> swap_plan::locked_tables() const {
    std::vector<qualified_name> names;
    for (const swap_lock* each : locks(lock_way::table)) {
        names.push_back(each->name);
    }
    std::sort(names.begin(), names.end(), [](const qualified_name& one, const qualified_name& other) {
        return std::tie(one.schema, one.name) < std::tie(other.schema, other.name);
    });
    return names;
}

std::vector<qualified_name> swap_plan::locked_besides(const std::vector<qualified_name>& in_use) const {
    std::vector<qualified_name> others = locked_tables();
    std::erase_if(others, [&](const qualified_name& each) {
        return std::find(in_use.begin(), in_use.end(), each) != in_use.end();
    });
    return others;
}

std::string swap_plan::lock_tables(const std::vector<qualified_name>& in_use) const {
    std::vector<std::string> tables;
    for (const qualified_name& each : locked_parents()) {
        tables.push_back("ONLY " + each.sql());
    }
    for (const qualified_name& each : in_use) {
        tables.push_back(each.sql());
    }
    for (const qualified_name& each : locked_besides(in_use)) {
        tables.push_back(each.sql());
    }
    return fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", join(tables, ", "));
}

std::vector<pg::statement> swap_plan::statements_that_lock(const std::vector<qualified_name>& in_use) const {
    std::vector<pg::statement> found;
    for (const swap_lock* each : locks(lock_way::statement)) {
        const bool whole = each->name.schema.empty();  // as version 2 stored it
        found.push_back({whole ? each->name.name : each->name.sql(), each->sql});
    }
    for (const swap_lock* each : locks(lock_way::by_reference)) {
        found.push_back({each->name.sql(), fmt::format("{}; {}", lock_tables(in_use), each->sql)});
    }
    return found;
}

swap_plan merged(const std::vector<swap_plan>& plans) {
    swap_plan whole;
    for (const stage when :
         {stage::ahead, stage::before, stage::detach, stage::exchange, stage::attach, stage::finish}) {
        for (const swap_plan& plan : plans) {
            for (const swap_step& each : plan.steps()) {
                if (each.when == when) {
                    whole.add(each);
                }
            }
        }
    }
    return whole;
}

std::vector<swap_step> exchange_steps(const exchange_places& places) {
    const std::string name = quote_identifier(places.in_use.name);
    const std::array<std::array<std::string, 3>, 3> moves{{
        {"old", places.in_use.schema, places.passage_schema},
        {"new", places.waiting_schema, places.in_use.schema},
        {"old", places.passage_schema, places.waiting_schema},
    }};
    std::vector<swap_step> steps;
    for (const auto& [which, from, to] : moves) {
        steps.push_back(step_of(stage::exchange, {fmt::format("moving the {} table", which),
                                                  fmt::format("ALTER TABLE {}.{} SET SCHEMA {}", quote_identifier(from),
                                                              name, quote_identifier(to))}));
    }
    return steps;
}

}  // namespace pgeist::plan
