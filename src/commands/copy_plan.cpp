#include "copy_plan.hpp"

#include <algorithm>

#include "pgeist/swap/exchange.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::commands {

/// Every statement that the run would make, in order.
std::string sql_of(const rewrite::preparation& made) {
    std::string text = "SQL\n";
    const auto indented = [](const std::string& script) {
        std::string out;
        for (std::size_t at = 0; at < script.size();) {
            const std::size_t end = std::min(script.find('\n', at), script.size() - 1);
            out += (script[at] == '\n' ? "" : "  ") + script.substr(at, end - at + 1);
            at = end + 1;
        }
        return out;
    };
    text += "  -- in each session of the job\n" + indented(made.blueprint->profile.display()) + "  -- prepare\n";
    for (const plan::statement& each : made.statements) {
        text += "  " + each.sql + ";\n";
    }
    const transfer::spec rows = made.blueprint->transfer();
    text +=
        indented(capture::log_sql(rows, made.key_numbers)) + "  -- capture\n" + indented(capture::triggers_sql(rows));
    return text + plan::describe_sql(*made.blueprint, swap::all_steps(*made.blueprint, made.blueprint->transfer()));
}

plan::description described(const plan::change_request& change, const rewrite::preparation& made) {
    plan::description what;
    what.change = &change;
    what.blueprint = made.blueprint ? &*made.blueprint : nullptr;
    what.way_back = made.way_back_told;
    for (const task::phase& each : rewrite::kind().phases()) {
        if (!rewrite::kind().is_done(each)) {
            what.phases.push_back({each.told.name, each.purpose, each.told.lock});
        }
    }
    for (const check::finding& each : made.findings) {
        plan::remark remark;
        remark.refuses = each.severity == check::severity::refuse;
        remark.text = each.message;
        remark.hint = each.hint;
        what.remarks.push_back(std::move(remark));
    }
    for (const std::string& each : made.warnings) {
        plan::remark remark;
        remark.text = each;
        what.remarks.push_back(std::move(remark));
    }
    if (made.nothing_to_do) {
        plan::remark remark;
        remark.text = "nothing to do: " + *made.nothing_to_do;
        what.remarks.push_back(std::move(remark));
    }
    return what;
}

}  // namespace pgeist::commands
