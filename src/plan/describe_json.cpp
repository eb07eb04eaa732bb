#include <algorithm>

#include <boost/json.hpp>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/plan/describe.hpp"
#include "pgeist/plan/estimate.hpp"

namespace pgeist::plan {

namespace {

namespace json = boost::json;

json::value from_remark(const remark& each) {
    return json::object{{"refuses", each.refuses}, {"message", each.text}, {"hint", each.hint}};
}

json::value from_column(const column& each) {
    return json::object{
        {"name", each.name},
        {"type", each.type},
        {"source_name", described_json::write(each.read_name)},
        {"conversion", each.conversion},
        {"verified", each.compared},
    };
}

json::array from_phases(const std::vector<phase_note>& phases) {
    json::array all;
    for (const phase_note& each : phases) {
        all.push_back(json::object{{"phase", each.name}, {"what", each.what}, {"lock", each.lock}});
    }
    return all;
}

json::array statements_of(const blueprint& plan) {
    json::array all;
    const auto add = [&](const char* phase, const std::vector<statement>& statements) {
        for (const auto& each : statements) {
            all.push_back(json::object{{"phase", phase}, {"label", each.label}, {"sql", each.sql}});
        }
    };
    const auto add_index = [&](const char* phase, const index& each) {
        if (!each.create_sql.empty()) {
            add(phase, {{"index " + each.name, each.create_sql}});
        }
        add(phase, each.after);
    };
    add_index("key", plan.key_index);
    for (const auto& each : plan.indexes) {
        add_index("build", each);
    }
    add("swap", plan.swap.statements(stage::detach));
    add("swap", plan.swap.statements(stage::attach));
    add("finish", plan.swap.statements(stage::finish));
    return all;
}

void add_blueprint(json::object& object, const blueprint& plan, const std::vector<phase_note>& phases) {
    const estimate rough = estimate_of(plan);
    object["strategy"] = "shadow";
    object["estimated_rows"] = plan.estimated_rows;
    object["table_bytes"] = plan.table_bytes;
    object["index_bytes"] = plan.index_bytes;
    object["estimated_ms"] = rough.time.count();
    object["estimated_space_bytes"] = rough.space_bytes;
    object["key"] = plan.key.index;
    object["copy_order"] = !plan.order.empty() ? "order" : plan.heap_order ? "heap" : "key";
    if (!plan.order.empty()) {
        object["order_by"] = plan.order_text;
    }
    json::array columns;
    for (const column& each : plan.columns) {
        columns.push_back(from_column(each));
    }
    object["columns"] = std::move(columns);
    object["phases"] = from_phases(phases);
    object["statements"] = statements_of(plan);
}

}  // namespace

std::string describe_json(const description& what) {
    json::object object;
    object["event"] = "plan";
    if (what.change != nullptr) {
        object["table"] = what.blueprint != nullptr ? what.blueprint->table.display() : what.change->table.display();
        object["change"] = what.change->describe();
    }
    object["refused"] =
        std::any_of(what.remarks.begin(), what.remarks.end(), [](const remark& r) { return r.refuses; });
    if (what.blueprint != nullptr) {
        add_blueprint(object, *what.blueprint, what.phases);
    }
    if (!what.way_back.empty()) {
        json::array lines;
        for (const std::string& each : what.way_back) {
            lines.push_back(json::string(each));
        }
        object["way_back"] = std::move(lines);
    }
    if (what.server != nullptr) {
        object["server_repack"] = json_from(describe_json(*what.server));
    }
    json::array remarks;
    for (const remark& each : what.remarks) {
        remarks.push_back(from_remark(each));
    }
    object["remarks"] = std::move(remarks);
    return json::serialize(object);
}

}  // namespace pgeist::plan
