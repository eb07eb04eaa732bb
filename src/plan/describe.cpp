#include "pgeist/plan/describe.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/plan/estimate.hpp"

namespace pgeist::plan {

namespace {

/// Columns of text, each as wide as its longest cell; the last one is left as it is.
std::string as_table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()), 0);
        for (std::size_t place = 0; place < row.size(); ++place) {
            widths[place] = std::max(widths[place], row[place].size());
        }
    }
    std::string text;
    for (const auto& row : rows) {
        text += "  ";
        for (std::size_t place = 0; place + 1 < row.size(); ++place) {
            text += fmt::format("{:<{}}  ", row[place], widths[place]);
        }
        text += row.back() + "\n";
    }
    return text;
}

std::string key_text(const blueprint& plan) {
    std::vector<std::string> columns;
    for (const auto& column : plan.key.columns) {
        columns.push_back(display_identifier(column.read_name) + (column.descending ? " DESC" : ""));
    }
    return fmt::format("{} ({})", display_identifier(plan.key.index), join(columns, ", "));
}

std::string order_text(const blueprint& plan) {
    if (!plan.order.empty()) {
        return "in the order of " + plan.order_text + ", which is sorted out once, by one worker";
    }
    return plan.heap_order ? "in the order of the table's file" : "in the order of the key";
}

std::string summary(const blueprint& plan) {
    const estimate rough = estimate_of(plan);
    return as_table({
        {"strategy", "shadow table, filled online and exchanged"},
        {"size", fmt::format("about {} rows, table {}, indexes {}", format_count(plan.estimated_rows),
                             format_size(plan.table_bytes), format_size(plan.index_bytes))},
        {"key", key_text(plan)},
        {"copied", order_text(plan)},
        {"time", fmt::format("about {}, without throttling", format_duration(rough.time))},
        {"space",
         fmt::format("about {} more while both tables exist, and as much WAL", format_size(rough.space_bytes))},
    });
}

std::string column_lines(const blueprint& plan) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& column : plan.columns) {
        std::string from = "(new)";
        if (column.read_name) {
            from = *column.read_name == column.name ? "" : "was " + display_identifier(*column.read_name);
        }
        rows.push_back({display_identifier(column.name), column.type, from,
                        column.conversion + (column.compared ? "" : " (not verified)")});
    }
    return "\ncolumns\n" + as_table(rows);
}

std::string phase_lines(const std::vector<phase_note>& phases) {
    std::vector<std::vector<std::string>> rows;
    for (const phase_note& each : phases) {
        rows.push_back({each.name, each.what, "lock: " + each.lock});
    }
    return "\nphases\n" + as_table(rows);
}

void add_sql(std::string& text, const std::string& when, const std::vector<statement>& statements) {
    if (statements.empty()) {
        return;
    }
    text += fmt::format("  -- {}\n", when);
    for (const auto& each : statements) {
        text += fmt::format("  {};\n", each.sql);
    }
}

void add_index_sql(std::string& text, const index& each) {
    if (!each.create_sql.empty()) {
        text += fmt::format("  {};\n", each.create_sql);
    }
    for (const auto& after : each.after) {
        text += fmt::format("  {};\n", after.sql);
    }
}

/// The steps of one stage, each under what it is about.
void add_steps(std::string& text, const char* when, stage which, const swap_plan& whole) {
    std::string about;
    bool any = false;
    for (const swap_step& each : whole.steps()) {
        if (each.when != which || (each.sql.empty() && each.undo.empty())) {
            continue;
        }
        text += std::exchange(any, true) ? "" : fmt::format("  -- {}\n", when);
        text += each.label == about ? "" : fmt::format("  --   {}\n", each.label);
        about = each.label;
        text += each.sql.empty() ? "" : fmt::format("  {};\n", each.sql);
        text += each.undo.empty() ? "" : fmt::format("  --   taken back by: {}\n", each.undo);
    }
}

void add_locks(std::string& text, const blueprint& plan, const swap_plan& whole) {
    text += "  -- swap, all locks at once, under lock_timeout\n";
    for (const statement& each : whole.lock_statements(plan.table)) {
        text += fmt::format("  {};\n", each.sql);
    }
    text += fmt::format("  {};\n", whole.lock_table(plan.table));
}

void add_swap(std::string& text, const blueprint& plan, const swap_plan& whole) {
    add_steps(text, "shortly before the swap", stage::ahead, whole);
    add_steps(text, "before the swap", stage::before, whole);
    add_locks(text, plan, whole);
    add_steps(text, "swap, before the tables change places", stage::detach, whole);
    add_steps(text, "swap", stage::exchange, whole);
    add_steps(text, "swap, after", stage::attach, whole);
    add_steps(text, "finish", stage::finish, whole);
}

std::string copy_sql(const blueprint& plan) {
    std::vector<std::string> names;
    std::vector<std::string> expressions;
    for (const auto& column : plan.columns) {
        if (column.expression) {
            names.push_back(quote_identifier(column.name));
            expressions.push_back(*column.expression);
        }
    }
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {}", plan.shadow().sql(),
                       join(names, ", "), join(expressions, ", "), plan.table.sql());
}

std::string remark_lines(const std::vector<remark>& remarks, bool refuses, const char* title) {
    std::string text;
    for (const auto& each : remarks) {
        if (each.refuses == refuses) {
            text += fmt::format("  {}\n", each.text);
            text += each.hint.empty() ? "" : fmt::format("      → {}\n", each.hint);
        }
    }
    return text.empty() ? text : fmt::format("\n{}\n{}", title, text);
}

}  // namespace

std::string describe_sql(const blueprint& plan, const swap_plan& whole) {
    std::string text;
    add_sql(text, "copy, for each chunk of the key", {{"copy", copy_sql(plan)}});
    text += "  -- key\n";
    add_index_sql(text, plan.key_index);
    if (!plan.indexes.empty()) {
        text += "  -- build\n";
    }
    for (const auto& each : plan.indexes) {
        add_index_sql(text, each);
    }
    add_swap(text, plan, whole);
    return text;
}

std::string describe(const description& what) {
    std::string text;
    if (what.change != nullptr) {
        text += fmt::format("plan for {}\n", what.change->describe());
    }
    if (what.blueprint != nullptr) {
        text += summary(*what.blueprint) + column_lines(*what.blueprint) + phase_lines(what.phases);
    }
    if (!what.way_back.empty()) {
        text += "\nthe way back\n";
    }
    for (const std::string& each : what.way_back) {
        text += "  " + each + "\n";
    }
    if (what.server != nullptr) {
        text += "\nthe server's own, instead\n" + describe(*what.server);
    }
    text += remark_lines(what.remarks, false, "warnings");
    text += remark_lines(what.remarks, true, "refused");
    return text;
}

}  // namespace pgeist::plan
