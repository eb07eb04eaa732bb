#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "fingerprint.hpp"
#include "ignores.hpp"
#include "rule.hpp"

namespace pgeist::lint {

namespace {

using ddl::statement_kind;

constexpr int parser_version = 15;

/// Looks at one file, with what the files before it have left.
class file_check : public reporter {
public:
    file_check(const settings& options, const source& from, const ddl::migration& file, probe::schema& schema,
               const server_facts* server, const std::vector<answer>* said, report& into)
        : options_(options), from_(from), file_(file), schema_(schema), server_(server), said_(said), into_(into) {}

    void run() {
        schema_.begin_file();
        for (at_ = 0; at_ < file_.steps.size(); ++at_) {
            if (!file_.steps[at_].down || from_.named) {
                look_at(file_.steps[at_]);
            }
        }
        end_of_file();
        apply_ignores();
        for (finding& each : found_) {
            into_.findings.push_back(std::move(each));
        }
    }

    void add(std::string_view rule, level how_bad, std::string message, std::vector<std::string> instead) override {
        const bool known =
            std::any_of(found_.begin() + static_cast<std::ptrdiff_t>(first_of_step_), found_.end(),
                        [&](const finding& each) { return each.rule == rule && each.message == message; });
        if (known) {
            return;
        }
        const ddl::statement& what = file_.steps[at_].what;
        finding made;
        made.file = file_.name;
        made.line = what.begin.line;
        made.column = what.begin.column;
        made.end_line = what.end_line;
        made.rule = rule;
        made.how_bad = how_bad;
        made.message = std::move(message);
        made.statement = what.text;
        made.does = does_;
        made.instead = std::move(instead);
        steps_.push_back(at_);
        found_.push_back(std::move(made));
    }

private:
    void look_at(const ddl::step& step) {
        ++into_.statements;
        if (step.transaction != transaction_) {
            transaction_ = step.transaction;
            past_.held.clear();
            past_.statements = 0;
            past_.block_open = false;
            ++transactions_;
            schema_.begin_transaction(transactions_);
        }
        probe::static_answer by_rules = probe::static_effect(step.what, schema_, options_.server);
        does_ = combined(step.what, by_rules, said(), schema_, server_ != nullptr && server_->schema.complete());
        first_of_step_ = found_.size();
        const subject on{options_,         file_,   step,  step.what, does_,
                         by_rules.clauses, schema_, past_, server_,   has_neighbours(step)};
        if (!gap(on)) {
            for (const rule& each : all_rules()) {
                if (each.check != nullptr) {
                    each.check(on, *this);
                }
            }
        }
        unnamed_work(on);
        plain_lock(on);
        follow(on);
    }

    [[nodiscard]] const answer* said() const {
        return said_ != nullptr && at_ < said_->size() ? &(*said_)[at_] : nullptr;
    }

    [[nodiscard]] bool has_neighbours(const ddl::step& step) const {
        return std::count_if(file_.steps.begin(), file_.steps.end(), [&](const ddl::step& each) {
                   return each.transaction == step.transaction && each.what.kind != statement_kind::meta_command;
               }) > 1;
    }

    /// What was not understood. True if nothing more can be said about the statement.
    bool gap(const subject& on) {
        const std::string& why = on.does.not_understood;
        const ddl::statement& what = on.what;
        const bool rejected = !what.parse_error.empty() &&
                              (what.kind == statement_kind::not_understood || options_.server.major <= parser_version);
        const answer* asked = said();
        const bool by_server = asked != nullptr && asked->accepted.has_value();
        if (by_server && *asked->accepted) {
            if (on.tried() && why.empty()) {
                return false;
            }
            const std::string unread = "the server accepts this, but pgeist cannot read it";
            into_.gaps.push_back({file_.name, what.begin.line, unread});
            add("not-analysed", level::warning, unread, {});
            return what.kind == statement_kind::not_understood;
        }
        if (by_server || (rejected && !on.tried())) {
            const bool certain = by_server || options_.server.major <= parser_version;
            const std::string problem = by_server ? asked->rejected : what.parse_error;
            into_.gaps.push_back({file_.name, what.error_at.line, problem});
            add("syntax-error", certain ? level::error : level::warning,
                what.since > parser_version && !by_server
                    ? fmt::format("{}: this came with PostgreSQL {}", problem, what.since)
                    : problem,
                {});
            if (what.error_at.line >= what.begin.line && what.error_at.offset > 0) {
                found_.back().line = what.error_at.line;
                found_.back().column = what.error_at.column;
            }
            into_.unreadable = into_.unreadable || certain;
            unparsed_.insert(at_);
            return true;
        }
        if (why.empty()) {
            return false;
        }
        into_.gaps.push_back({file_.name, what.begin.line, why});
        add("not-analysed", level::warning, why, {});
        return what.kind == statement_kind::not_understood || what.kind == statement_kind::meta_command;
    }

    [[nodiscard]] bool told(level at_least) const {
        return std::any_of(found_.begin() + static_cast<std::ptrdiff_t>(first_of_step_), found_.end(),
                           [&](const finding& each) { return each.how_bad >= at_least; });
    }

    /// Work under a lock that none of the rules has a better name for.
    void unnamed_work(const subject& on) {
        const level how_bad = on.block_level(on.does);
        if (how_bad == level::info || told(level::error)) {
            return;
        }
        if (on.rewrites(on.does)) {
            add("table-rewrite", how_bad,
                fmt::format("{} is written anew{}", joined(on.does.rewrites), on.waiting(on.does)), {});
        } else if (on.scans(on.does)) {
            add("table-scan", how_bad,
                fmt::format("{} is read from beginning to end{}", joined(on.does.scans), on.waiting(on.does)), {});
        } else {
            add("index-build", how_bad, fmt::format("{} is built{}", joined(on.does.builds), on.waiting(on.does)), {});
        }
    }

    void plain_lock(const subject& on) {
        const auto& all = on.does.locks;
        const bool type_only = !all.empty() && std::all_of(all.begin(), all.end(), [](const auto& each) {
            return each.kind == probe::relation_kind::type;
        });
        if (told(level::info) && !only_asks_for_timeout()) {
            return;
        }
        std::vector<std::string> locks;
        for (const probe::relation_lock& each : on.does.locks) {
            if (each.mode > probe::lock_mode::access_share) {
                locks.push_back(fmt::format("{} on {}{}", probe::words_of(each.mode), each.relation,
                                            on.in_use(each.relation) ? "" : ", which this file has made"));
            }
        }
        if (!locks.empty() && !type_only) {
            add("takes-lock", level::info, fmt::format("takes {}{}", joined(locks), on.waiting(on.does)), {});
        } else if (type_only) {
            add("takes-lock", level::info, "locks the type only, and no table", {});
        } else if (on.does.works()) {
            add("takes-lock", level::info, "reads or builds, and nobody waits for it", {});
        }
    }

    [[nodiscard]] bool only_asks_for_timeout() const {
        return std::all_of(found_.begin() + static_cast<std::ptrdiff_t>(first_of_step_), found_.end(),
                           [](const finding& each) { return each.rule == "require-lock-timeout"; });
    }

    /// What the statement leaves for those behind it.
    void follow(const subject& on) {
        past_.told_lock_timeout = past_.told_lock_timeout ||
                                  std::any_of(found_.begin(), found_.end(),
                                              [](const finding& each) { return each.rule == "require-lock-timeout"; });
        const ddl::statement& what = on.what;
        const bool alone = !has_neighbours(on.step) && !on.step.inside;
        if (!alone && !on.does.needless) {
            for (const probe::relation_lock& each : on.blocking(on.does)) {
                hold(each, what.begin.line);
            }
        }
        ++past_.statements;
        if (what.kind == statement_kind::begin) {
            past_.block_open = true;
        } else if (what.kind == statement_kind::commit || what.kind == statement_kind::rollback) {
            past_.block_open = what.value == "AND CHAIN";
            past_.held.clear();
        } else if (what.kind == statement_kind::set &&
                   (what.name == "lock_timeout" || what.name == "statement_timeout")) {
            const bool off = what.value.find_first_not_of("0 smhdinu") == std::string::npos;
            past_.lock_timeout = past_.lock_timeout || (what.name == "lock_timeout" && !off);
            past_.set_statement_timeout = past_.set_statement_timeout || what.name == "statement_timeout";
            past_.timeouts.erase(what.name);
            if (!off) {
                past_.timeouts[what.name] = what.value;
            }
        } else if (what.kind == statement_kind::reset) {
            past_.timeouts.erase(what.name);
            if (what.name.empty()) {
                past_.timeouts.clear();
            }
        }
        schema_.apply(what);
    }

    void hold(const probe::relation_lock& lock, std::size_t line) {
        const auto known = std::find_if(past_.held.begin(), past_.held.end(),
                                        [&](const held_lock& each) { return each.relation == lock.relation; });
        if (known == past_.held.end()) {
            past_.held.push_back({lock.relation, lock.mode, line});
        } else if (lock.mode > known->mode) {
            *known = {lock.relation, lock.mode, line};
        }
    }

    void end_of_file() {
        if (file_.open_transaction && !file_.steps.empty()) {
            for (at_ = file_.steps.size() - 1; at_ > 0 && file_.steps[at_].what.kind != statement_kind::begin; --at_) {
            }
            does_ = probe::effect();
            first_of_step_ = found_.size();
            add("ban-uncommitted-transaction", level::error,
                "the file ends without a COMMIT for this: all of it is rolled back", {"COMMIT;"});
        }
    }

    /// A finding of the engine's about a comment.
    void about_ignore(const ignore& where, std::string_view rule, std::string message) {
        finding made;
        made.file = file_.name;
        made.line = where.line;
        made.column = where.column;
        made.end_line = where.line;
        made.rule = rule;
        made.how_bad = level::warning;
        made.message = std::move(message);
        found_.push_back(std::move(made));
    }

    void apply_ignores() {
        const std::size_t count = found_.size();  // those about ignores themselves are not ignored
        for (const ignore& each : find_ignores(file_, options_.foreign_ignores)) {
            if (!each.whole_file && each.placed && file_.steps[each.step].down && !from_.named) {
                continue;  // nobody has looked at the statement
            }
            bool used = apply_ignore(each, "", count, each.rules.empty());
            if (each.rules.empty() && !used && !each.foreign) {
                about_ignore(each, "unused-ignore", "there is no finding for this to ignore");
            }
            for (const std::string& name : each.rules) {
                if (find_rule(name) == nullptr) {
                    if (!each.foreign) {
                        about_ignore(each, "unknown-ignore", fmt::format("there is no rule {}", name));
                    }
                } else if (!apply_ignore(each, name, count, false) && !each.foreign) {
                    about_ignore(each, "unused-ignore",
                                 fmt::format("there is no finding of rule {} for this to ignore", name));
                }
            }
        }
    }

    bool apply_ignore(const ignore& each, const std::string& name, std::size_t count, bool all) {
        bool used = false;
        for (std::size_t at = 0; at < count; ++at) {
            const bool here = each.whole_file || (each.placed && steps_[at] == each.step);
            if (here && (all || found_[at].rule == name)) {
                found_[at].suppressed = true;
                found_[at].reason = each.reason;
                used = true;
            }
        }
        return used;
    }

    const settings& options_;
    const source& from_;
    const ddl::migration& file_;
    probe::schema& schema_;
    const server_facts* server_;
    const std::vector<answer>* said_;
    report& into_;
    std::vector<finding> found_;
    std::vector<std::size_t> steps_;  // of found_
    std::set<std::size_t> unparsed_;
    history past_;
    probe::effect does_;
    std::size_t at_ = 0;
    std::size_t first_of_step_ = 0;
    std::size_t transaction_ = 0;
    std::size_t transactions_ = 0;
};

void unreadable(const source& from, const std::string& why, report& into) {
    finding made;
    made.file = from.name;
    made.rule = "unreadable-file";
    made.how_bad = level::error;
    made.message = why;
    into.findings.push_back(std::move(made));
    into.gaps.push_back({from.name, 1, why});
    into.unreadable = true;
}

std::string source_line(const ddl::migration& file, std::size_t line) {
    if (line == 0 || line > file.line_starts.size()) {
        return "";
    }
    const std::size_t begin = file.line_starts[line - 1];
    const std::size_t end = std::min(file.text.find_first_of("\r\n", begin), file.text.size());
    return file.text.substr(begin, end - begin);
}

}  // namespace

std::size_t report::count(level how_bad) const {
    return static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(), [&](const finding& each) {
        return each.how_bad == how_bad && !each.suppressed;
    }));
}

std::string_view word_of(level how_bad) {
    switch (how_bad) {
        case level::info:
            return "info";
        case level::warning:
            return "warning";
        case level::error:
            break;
    }
    return "error";
}

std::vector<ddl::migration> read(const std::vector<source>& files, ddl::transaction_mode mode) {
    std::vector<ddl::migration> all;
    for (const source& each : files) {
        if (each.problem.empty()) {
            all.push_back(ddl::read_migration(each.name, each.text, mode, each.script_config));
        } else {
            ddl::migration none;
            none.name = each.name;
            none.problem = each.problem;
            all.push_back(std::move(none));
        }
    }
    return all;
}

report check(const std::vector<source>& files, const std::vector<ddl::migration>& migrations, const settings& options,
             const answers* tried) {
    report found;
    if (tried != nullptr) {
        found.asked = tried->server.address;
        found.standby = tried->server.standby;
        found.asked +=
            tried->server.nothing_tried.empty() ? "" : " (nothing tried: " + tried->server.nothing_tried + ")";
    }
    probe::schema schema;
    for (std::size_t at = 0; at < migrations.size() && at < files.size(); ++at) {
        const ddl::migration& file = migrations[at];
        ++found.files;
        if (!file.problem.empty()) {
            unreadable(files[at], file.problem, found);
            continue;
        }
        if (files[at].begins_simulation) {
            schema = tried != nullptr ? tried->server.schema : probe::schema();
        }
        const std::size_t first = found.findings.size();
        const bool asked = tried != nullptr && at < tried->of_files.size();
        file_check(options, files[at], file, schema, tried != nullptr ? &tried->server : nullptr,
                   asked ? &tried->of_files[at] : nullptr, found)
            .run();
        for (std::size_t each = first; each < found.findings.size(); ++each) {
            found.findings[each].source_line = source_line(file, found.findings[each].line);
        }
        std::stable_sort(found.findings.begin() + static_cast<std::ptrdiff_t>(first), found.findings.end(),
                         [](const finding& a, const finding& b) { return a.line < b.line; });
    }
    give_fingerprints(found.findings);
    return found;
}

int exit_code_of(const report& found, fail_on limit) {
    if (found.unreadable) {
        return 2;
    }
    const bool errors = found.count(level::error) > 0;
    const bool warnings = found.count(level::warning) > 0;
    const bool fails = (limit != fail_on::never && errors) || (limit == fail_on::warning && warnings);
    return fails ? 1 : 0;
}

}  // namespace pgeist::lint
