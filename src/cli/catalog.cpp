#include <algorithm>

#include "cli/catalog.hpp"

namespace pgeist::cli {

namespace {

using enum group;
using groups = std::vector<group>;

const groups all_of_run{connection, change, copy,  throttle, group::verify, group::swap,
                        after,      output, files, safety,   general};
const groups the_usual{connection, output, general};
const groups of_candidates{connection, copy, throttle, group::verify, group::swap, after, output, safety, general};
const groups of_resume{connection, output, files, general};
const groups of_revert{connection, group::verify, group::swap, output, files, general};
const groups of_backfill{connection, throttle, output, files, safety, general};
const groups of_lint{connection, general};

const std::vector<command_info> all_commands{
    {command::plan,
     "plan",
     "CHANGE",
     "show what would be done, how, and under which locks; changes nothing",
     all_of_run,
     {"where", "delete"}},
    {command::run, "run", "CHANGE", "change the table", all_of_run, {}},
    {command::rehearse,
     "rehearse",
     "CHANGE",
     "do a run on the live table up to the swap, measure it, take it all back",
     all_of_run,
     {"locks", "fail-if", "scale-to", "markdown"}},
    {command::backfill,
     "backfill",
     "--table NAME --set …",
     "set or delete rows where they are, in chunks, only those that differ",
     of_backfill,
     {"table", "set", "where", "delete", "key", "workers", "chunk-time", "chunk-rows", "lock-timeout",
      "swap-max-wait"}},
    {command::expand,
     "expand",
     "--table NAME --add … --up … --down …",
     "add columns, kept in step with old ones in both directions, and fill them",
     of_backfill,
     {"table", "add", "up", "down", "rename", "conflict", "key", "workers", "chunk-time", "chunk-rows", "lock-timeout",
      "swap-attempts", "swap-max-wait", "on-blocked", "ignore-old-snapshots", "index-jobs", "maintenance-work-mem"}},
    {command::contract,
     "contract",
     "JOB",
     "drop the old columns of an expanded job",
     the_usual,
     {"try", "undo", "lock-timeout", "swap-attempts", "swap-max-wait", "on-blocked"},
     job_argument::required},
    {command::status,
     "status",
     "[JOB]",
     "show all jobs, or one in detail",
     the_usual,
     {"watch"},
     job_argument::optional},
    {command::lint,
     "lint",
     "FILE…|DIRECTORY|-",
     "tell what migration files would lock, rewrite, scan and break, and what to write instead",
     of_lint,
     {"server", "transaction", "max-block", "fail-on", "foreign-ignores", "rules", "explain", "output", "quiet",
      "verbose"},
     job_argument::none,
     true,
     false,
     true},
    {command::resume,
     "resume",
     "JOB",
     "go on with an interrupted job",
     of_resume,
     {},
     job_argument::required,
     true,
     true},
    {command::pause, "pause", "JOB", "let a running job rest", the_usual, {}, job_argument::required},
    {command::proceed, "continue", "JOB", "let a paused job go on", the_usual, {}, job_argument::required},
    {command::swap,
     "swap",
     "JOB",
     "let a job swap that was told to postpone it",
     the_usual,
     {},
     job_argument::required},
    {command::cancel, "cancel", "JOB", "end a running job", the_usual, {}, job_argument::required},
    {command::set, "set", "JOB NAME=VALUE…", "change options of a running job", the_usual, {}, job_argument::required},
    {command::verify,
     "verify",
     "JOB",
     "compare both tables again, before the swap; a running job does it",
     the_usual,
     {},
     job_argument::required},
    {command::revert,
     "revert",
     "JOB",
     "swap the old table back, with every write made since; once more: make the change again",
     of_revert,
     {"check", "lose"},
     job_argument::required,
     true,
     true},
    {command::cleanup,
     "cleanup",
     "JOB|--all",
     "remove what a job left: shadow, log, triggers, old table",
     the_usual,
     {"all", "yes"},
     job_argument::required_or_all},
    {command::candidates,
     "repack-candidates",
     "",
     "list tables by how much a rebuild would save (an estimate), or rebuild the best",
     of_candidates,
     {"min-bloat", "min-size", "run", "log-file", "log-format"}},
};

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

}  // namespace

bool command_info::takes(const option_info& option) const {
    return (takes_steerable && option.steerable != run::steering::never) ||
           std::find(groups.begin(), groups.end(), option.place) != groups.end() ||
           std::find(extras.begin(), extras.end(), option.name) != extras.end();
}

std::span<const command_info> command_catalog() { return all_commands; }

const command_info* find_command(std::string_view name) {
    const auto found = std::find_if(all_commands.begin(), all_commands.end(),
                                    [&](const command_info& each) { return each.name == name; });
    return found == all_commands.end() ? nullptr : &*found;
}

std::string nearest(std::string_view name, const std::vector<std::string>& names) {
    std::string best;
    std::size_t least = name.size() / 3 + 1;  // one slip in three letters, and one more
    for (const std::string& each : names) {
        const std::size_t far = distance(name, each);
        if (far <= least && (far < least || best.empty())) {
            best = each;
            least = far;
        }
    }
    return best;
}

}  // namespace pgeist::cli
