#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/catalog.hpp"
#include "cli/given.hpp"
#include "cli/lint_command.hpp"
#include "cli/make_observer.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/commands/tables.hpp"
#include "pgeist/fill/spec.hpp"
#include "pgeist/pg/connect_options.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/expand/contract.hpp"

namespace pgeist::cli {

/// A command line, understood: what to do, and with what. Parts that the command does not take stay as they are made.
struct invocation {
    command what = command::help;
    std::string text;  ///< what help and version print

    pg::connect_options connection;
    plan::change_request change;
    fill::request fill;                                                ///< of `pgeist backfill`
    expand::request expand;                                            ///< of `pgeist expand`
    expand::contraction contraction = expand::contraction::carry_out;  ///< of `pgeist contract`
    bool in_place = false;                                             ///< `pgeist plan` is asked for that
    std::optional<commands::file_request> file;                        ///< in the change's place
    std::optional<commands::tables_request> tables;                    ///< likewise
    run::settings settings;
    std::optional<reindex::request> reindex;  ///< in place of `change`
    commands::rehearsal_request rehearsal;    ///< of `pgeist rehearse`

    std::optional<std::int64_t> job;
    bool all = false;               ///< cleanup --all
    bool watch = false;             ///< status --watch
    bool yes = false;               ///< ask no questions
    bool check = false;             ///< revert --check
    std::vector<std::string> lose;  ///< revert --lose
    commands::named_values values;  ///< of `pgeist set`, `pgeist resume` and `pgeist revert`

    commands::bloat_thresholds thresholds;        ///< of `pgeist repack-candidates`
    std::optional<commands::repack_round> round;  ///< its --run

    lint_request lint;  ///< of `pgeist lint`

    report::output_format format = report::output_format::human;
    report::progress_mode progress = report::progress_mode::automatic;
    report::verbosity how_much;

    /// Where a run writes besides: files, and programs that it has run. Empty: nowhere.
    struct files {
        std::string report;
        std::string metrics;
        std::string hooks;
        std::string log;
        report::output_format log_format = report::output_format::human;
    };
    files beside;
};

/// Understands a command line, without the program's name. Reads the environment through `lookup`, and the files that
/// are named; nothing else.
/// @throws usage_error saying what is wrong and what is allowed
[[nodiscard]] invocation parse(const std::vector<std::string>& arguments, const environment& lookup);

/// Whether JSON is asked for, as far as that can be told of a command line that may be wrong.
[[nodiscard]] bool wants_json(const std::vector<std::string>& arguments, const environment& lookup);

}  // namespace pgeist::cli
