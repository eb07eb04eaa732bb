#include "cli/candidates_command.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/commands/commands.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/report/json/json_line.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::cli {

namespace {

using tables = std::vector<commands::bloated_table>;

std::string as_json(const tables& found) {
    std::string text;
    for (const commands::bloated_table& each : found) {
        report::json_line line;
        line.text("table", each.table).integer("heap_bytes", each.heap_bytes).integer("total_bytes", each.total_bytes);
        line.integer("bloat_bytes", each.bloat_bytes).number("bloat_percent", each.bloat_percent, 1);
        line.integer("toast_bytes", each.toast_bytes).integer("toast_bloat_bytes", each.toast_bloat_bytes);
        line.integer("index_bytes", each.index_bytes).integer("index_bloat_bytes", each.index_bloat_bytes);
        line.integer("saves_bytes", each.saves_bytes).integer("dropped_columns", each.dropped_columns);
        line.text("method", each.indexes_alone ? "reindex" : "copy");
        line.integer("dead_rows", each.dead_rows);
        line.text("analyzed_at",
                  each.analyzed_at.empty() ? std::nullopt : std::optional<std::string>(each.analyzed_at));
        line.boolean("has_key", each.has_key);
        if (each.server) {
            line.raw("server_repack", report::harmless(plan::describe_json(*each.server)));
        }
        text += line.str() + "\n";
    }
    return text;
}

std::string as_names(const tables& found) {
    std::string text;
    for (const commands::bloated_table& each : found) {
        const bool can = each.has_key || each.indexes_alone;  // the others cannot be rebuilt by pgeist
        text += can ? each.table + "\n" : "";
    }
    return text;
}

/// The statements of the server that would do, and what to mind.
std::string servers_own(const tables& found) {
    std::string statements;
    for (const commands::bloated_table& each : found) {
        if (each.server && each.server->refusals.empty()) {
            statements += fmt::format("  {};\n", report::one_line(each.server->statement));
        }
    }
    if (statements.empty()) {
        return statements;
    }
    const auto& snapshots = found.front().server->old_snapshots;
    const std::string now = snapshots.empty() ? "none is held now" : "now: " + join(snapshots, "; ");
    return "\nThe server's own, faster, but not throttled, not verified, and with a lock that is waited for without a "
           "timeout:\n" +
           statements + "To snapshots taken before its end the table is empty; " + now +
           ".\nFor and against it, for one table: pgeist plan --table TABLE --repack\n";
}

std::string remark_on(const commands::bloated_table& one) {
    if (one.indexes_alone) {
        return "  indexes alone";
    }
    return one.has_key ? "" : "  no key: cannot be repacked";
}

std::string as_table(const tables& found, bool utf8) {
    if (found.empty()) {
        return "no table has that much bloat\n";
    }
    std::size_t widest = 5;
    for (const commands::bloated_table& each : found) {
        widest = std::max(widest, report::columns_of(report::one_line(each.table)));
    }
    std::string text = fmt::format("{}  {:>10}  {:>10}  {:>6}  {:>10}  {:>10}  {:>10}\n",
                                   report::padded("table", widest), "heap", "bloat", "", "indexes", "saves", "total");
    for (const commands::bloated_table& each : found) {
        text += fmt::format("{}  {:>10}  {:>10}  {:>5.1f}%  {:>10}  {:>10}  {:>10}{}\n",
                            report::padded(report::one_line(each.table), widest), format_size(each.heap_bytes),
                            format_size(each.bloat_bytes), each.bloat_percent, format_size(each.index_bloat_bytes),
                            format_size(each.saves_bytes), format_size(each.total_bytes), remark_on(each));
    }
    text +=
        "\nEstimates, from what ANALYZE knows: bloat of heap and TOAST, of the indexes, and what a rebuild saves.\n"
        "Rebuild one with: pgeist run --table TABLE --repack, or --only-indexes; the best: pgeist repack-candidates "
        "--run "
        "N\n";
    text += servers_own(found);
    return utf8 ? text : report::to_ascii(text);
}

}  // namespace

awaitable<exit_code> show_candidates(const invocation& asked, console& io) {
    const auto found = co_await commands::repack_candidates(asked.connection, asked.thresholds);
    if (asked.format == report::output_format::json) {
        io.out.write(as_json(found));
    } else if (asked.how_much.quiet) {
        io.out.write(as_names(found));
    } else {
        io.out.write(as_table(found, io.screen.utf8));
    }
    co_return exit_code::done;
}

}  // namespace pgeist::cli
