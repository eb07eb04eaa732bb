#include <algorithm>
#include <vector>

#include "cli/catalog.hpp"
#include "pgeist/settings/options.hpp"

namespace pgeist::cli {

namespace {

group group_of(run::option_group place) {
    switch (place) {
        case run::option_group::change:
            return group::change;
        case run::option_group::copy:
            return group::copy;
        case run::option_group::throttle:
            return group::throttle;
        case run::option_group::verify:
            return group::verify;
        case run::option_group::swap:
            return group::swap;
        case run::option_group::after:
            return group::after;
        case run::option_group::safety:
            break;
    }
    return group::safety;
}

constexpr bool repeatable = true;

/// The options that have no place in run::settings.
const option_info own[] = {
    {"host", 'h', "HOST", "", "server's host, or the directory of its socket", group::connection},
    {"port", 'p', "PORT", "", "server's port", group::connection},
    {"username", 'U', "ROLE", "", "role to connect as", group::connection},
    {"dbname", 'd', "DATABASE", "", "database, connection string or URI", group::connection},

    {"table", 0, "[SCHEMA.]NAME", "",
     "the table, written as in SQL; of several, each with its own change behind it, those that foreign keys tie to "
     "each other are exchanged in one transaction",
     group::change, repeatable},
    {"alter", 0, "CLAUSES", "", "clauses of an ALTER TABLE, or a whole statement; several are run in order",
     group::change, repeatable},
    {"file", 0, "FILE", "",
     "without --table: a migration file, with statements for any tables; with it: ALTER TABLE statements for that "
     "table; - is standard input",
     group::change},
    {"with-references", 0, "", "",
     "with ALTER COLUMN … TYPE of a key: change every column that refers to it, too, and all tables at once",
     group::change},
    {"undoes", 0, "FILE", "",
     "the migration file that --file takes back: it can be run again afterwards, and this one after it", group::change},
    {"resume", 0, "", "", "if a run of the migration file was cut off, go on with it", group::change},
    {"repack", 0, "", "", "the same schema, rebuilt without bloat", group::change},
    {"order-by", 0, "COLUMN [DESC] …|INDEX", "",
     "with --repack: the rows in this order; those that are changed meanwhile at the end, and of rows that differ in "
     "size a small one may fill a gap further up",
     group::change},
    {"only-indexes", 0, "", "", "with --repack: rebuild the table's indexes alone, CONCURRENTLY", group::change},
    {"index", 0, "NAME", "", "rebuild this index of the table alone, CONCURRENTLY", group::change, repeatable},
    {"set", 0, "COLUMN=EXPRESSION", "", "a column's value for existing rows, over the columns of the old row",
     group::change, repeatable},

    {"key", 0, "INDEX", "the primary key", "the unique index by which the table is walked", group::copy, repeatable},
    {"copy-order", 0, "auto|key|heap", "auto",
     "rows in the order of the key, or of the table's file, which is faster where the key's order is another one",
     group::copy},

    {"check", 0, "", "", "only catch up, and say whether it could be reverted: exit 0 or 3", group::command},
    {"lose", 0, "NAME", "", "an object that was put on the table since, and goes with it", group::command, repeatable},

    {"output", 0, "human|json", "human",
     "for people, or one JSON object a line; lint: text, json, sarif, github, gitlab or markdown", group::output},
    {"progress", 0, "auto|tty|plain|off", "auto", "a live line, plain lines, or none", group::output},
    {"quiet", 0, "", "", "warnings and errors only", group::output},
    {"verbose", 0, "", "", "locks, details, the SQL of a plan", group::output},

    {"report", 0, "FILE.html", "", "write a page about the run when it has ended, however it has", group::files},
    {"metrics", 0, "FILE.prom", "", "write figures for Prometheus (node exporter's textfile collector) each second",
     group::files},
    {"hook-dir", 0, "FOLDER", "",
     "run programs named after events: on-start, on-phase, on-throttle, on-lock-wait, on-verified, on-before-swap "
     "(which may stop the swap), on-swapped, on-reverted, on-not-revertible, on-failure, on-done",
     group::files},
    {"log-file", 0, "FILE", "", "append what happens to a file", group::files},
    {"log-format", 0, "text|json", "text", "how the log file is written", group::files},

    {"dry-run", 0, "", "", "only show what would be done, as `pgeist plan`", group::safety},
    {"yes", 0, "", "", "ask no questions; they are asked only on a terminal", group::safety},

    {"add", 0, "COLUMN TYPE …", "", "a new column: type, DEFAULT and NOT NULL", group::command, repeatable},
    {"up", 0, "COLUMN=EXPRESSION", "", "a new column's value, over the old columns", group::command, repeatable},
    {"down", 0, "COLUMN=EXPRESSION", "", "an old column's value, over the new columns", group::command, repeatable},
    {"rename", 0, "OLD=NEW", "", "short for a new column of the same type, and both ways", group::command, repeatable},
    {"conflict", 0, "new|old|error", "new", "which side wins when a statement changes both, and they do not agree",
     group::command},
    {"try", 0, "", "", "only take the old columns out of sight, by renaming them", group::command},
    {"undo", 0, "", "", "put them back", group::command},
    {"where", 0, "CONDITION", "", "only these rows, by a condition over the row's columns", group::command},
    {"delete", 0, "", "", "delete the rows of --where instead", group::command},
    {"all", 0, "", "", "clean up after every job that is not running", group::command},
    {"watch", 0, "", "", "follow it live", group::command},
    {"server", 0, "VERSION", "15",
     "without a connection: the server's version for which to answer, 14 to 19; a minor may follow (14.2)",
     group::command},
    {"transaction", 0, "auto|file|statement|none", "auto",
     "what runs in one transaction: by the marks in the file, a whole file, or each statement by itself",
     group::command},
    {"fail-on", 0, "error|warning|never", "error", "exit with 1 when there is a finding of this level or worse",
     group::command},
    {"foreign-ignores", 0, "", "", "obey squawk's ignore comments, too", group::command},
    {"rules", 0, "", "", "list the rules", group::command},
    {"explain", 0, "RULE", "", "what a rule is about, and what to do instead", group::command},
    {"locks", 0, "none|sample|take", "sample",
     "of the swap's lock: do not ask, look again and again whether it would be free, or take it, exchange the tables "
     "and roll that back",
     group::command},
    {"fail-if", 0, "CONDITION", "", "exit with 1 when it is true: lock, time, wal or space > VALUE", group::command,
     repeatable},
    {"scale-to", 0, "PLAN.json", "", "tell what it would be for the table of this `plan --output json`",
     group::command},
    {"markdown", 0, "FILE.md", "", "write the figures for a comment in a pull request", group::command},
    {"run", 0, "N", "",
     "rebuild the N best, one after the other, indexes alone where that suffices; with --window until its "
     "end, to go on in the next one",
     group::command},
    {"min-bloat", 0, "PERCENT", "30", "only tables of which at least this part is bloat", group::command},
    {"min-size", 0, "SIZE", "8MB", "only tables that are at least as large", group::command},

    {"config", 0, "FILE", "", "read options from a file, one `name = value` a line", group::general},
    {"help", 0, "", "", "this text", group::general},
    {"version", 0, "", "", "the version", group::general},
    {"print", 0, "WHAT", "",
     "print the manual page (man), the reference of the options (markdown), of lint's rules (lint), of what is "
     "done with each clause (methods) or a shell's completion (bash, zsh)",
     group::general},
};

std::vector<option_info> all_options() {
    std::vector<option_info> all;
    for (const run::option& each : run::options()) {
        option_info option{each.name, 0, each.value, each.fallback, each.help, group_of(each.group)};
        option.repeatable = each.repeatable;
        option.steerable = each.steerable;
        all.push_back(option);
    }
    all.insert(all.end(), std::begin(own), std::end(own));
    std::stable_sort(all.begin(), all.end(),
                     [](const option_info& a, const option_info& b) { return a.place < b.place; });
    return all;
}

}  // namespace

std::span<const option_info> option_catalog() {
    static const std::vector<option_info> all = all_options();
    return all;
}

const option_info* find_option(std::string_view name) {
    const auto all = option_catalog();
    const auto found = std::find_if(all.begin(), all.end(), [&](const option_info& each) { return each.name == name; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace pgeist::cli
