#include "pgeist/ddl/migration.hpp"

#include <algorithm>
#include <array>

namespace pgeist::ddl {

namespace {

bool must_stand_alone(const statement& what) {
    using enum statement_kind;
    switch (what.kind) {
        case create_index:
        case drop:
            return what.concurrently;
        case reindex:
            return what.concurrently || what.object == object_kind::database;
        case vacuum:
        case create_database:
            return true;
        case alter_table:
            return std::any_of(what.clauses.begin(), what.clauses.end(),
                               [](const clause& each) { return each.concurrently; });
        default:
            return false;
    }
}

/// Goes through a file's statements and marks in their order.
class reader {
public:
    reader(migration& into, transaction_mode mode, std::string_view script_config) : into_(into), mode_(mode) {
        if (!script_config.empty()) {
            const mark said = read_mark("-- " + std::string(script_config.substr(0, 390)));
            file_wide_ = said.kind == mark_kind::no_transaction ? std::optional(false) : file_wide_;
        }
        find_file_marks();
    }

    void run(const script& cut) {
        std::size_t next = 0;
        for (const piece& each : cut.pieces) {
            for (; next < into_.comments.size() && into_.comments[next].begin.offset < each.begin.offset; ++next) {
                take(read_mark(into_.comments[next].text));
            }
            add(each);
        }
        into_.open_transaction = in_block_;
        settle();
    }

private:
    /// Marks that count for the whole file, wherever they stand.
    void find_file_marks() {
        for (const comment& each : into_.comments) {
            const mark found = read_mark(each.text);
            if (found.kind == mark_kind::none) {
                continue;
            }
            into_.tool = into_.tool.empty() ? found.tool : into_.tool;
            if (found.kind == mark_kind::no_transaction) {
                file_wide_ = false;
            } else if (found.kind == mark_kind::transaction) {
                file_wide_ = true;
            }
        }
        if (into_.tool.empty()) {
            into_.tool = tool_of_name(into_.name);
        }
    }

    void take(const mark& found) {
        if (found.kind != mark_kind::up && found.kind != mark_kind::down) {
            return;
        }
        down_ = found.kind == mark_kind::down;
        section_mode_ = found.transaction;
        ++section_;
        if (!in_block_) {
            ++transaction_;
        }
    }

    void add(const piece& each) {
        step made;
        made.what = understand(each);
        made.down = down_;
        made.section = section_;
        if (made.what.kind == statement_kind::begin) {
            transaction_ += in_block_ ? 0 : 1;  // a second BEGIN begins nothing
            in_block_ = true;
            has_blocks_ = true;
        }
        made.transaction = transaction_;
        made.explicit_transaction = in_block_;
        modes_.push_back(section_mode_);
        const bool ends = made.what.kind == statement_kind::commit || made.what.kind == statement_kind::rollback ||
                          made.what.kind == statement_kind::prepare_transaction;
        if (ends && made.what.value != "AND CHAIN") {
            in_block_ = false;
            ++transaction_;
        } else if (ends) {
            ++transaction_;
        }
        into_.steps.push_back(std::move(made));
    }

    /// Decides for what stands outside of BEGIN and COMMIT, and numbers the transactions.
    void settle() {
        const bool told = mode_ != transaction_mode::automatic || file_wide_ || has_blocks_ || !into_.tool.empty();
        const bool alone = std::any_of(into_.steps.begin(), into_.steps.end(), [](const step& each) {
            return !each.explicit_transaction && must_stand_alone(each.what);
        });
        std::size_t number = 0;
        for (std::size_t at = 0; at < into_.steps.size(); ++at) {
            step& now = into_.steps[at];
            const bool joined = now.explicit_transaction || together(at, told, alone);
            const bool follows = at > 0 && joined && now.transaction == previous_ &&
                                 into_.steps[at - 1].explicit_transaction == now.explicit_transaction && joined_before_;
            previous_ = now.transaction;
            joined_before_ = joined;
            number += follows ? 0 : 1;
            now.transaction = number;
            now.certain = told || into_.steps.size() == 1;
            now.wrapped =
                mode_ == transaction_mode::automatic && modes_[at].value_or(file_wide_.value_or(true)) && wraps(at);
            now.inside = now.explicit_transaction || (joined && (mode_ == transaction_mode::file || wraps(at)));
        }
    }

    /// Whether a statement outside of a block is in one transaction with its neighbours of the same section.
    [[nodiscard]] bool together(std::size_t at, bool told, bool alone) const {
        if (mode_ == transaction_mode::file) {
            return true;
        }
        if (mode_ != transaction_mode::automatic) {
            return false;
        }
        if (modes_[at]) {
            return *modes_[at];
        }
        if (file_wide_) {
            return *file_wide_;
        }
        if (has_blocks_) {
            return false;
        }
        // Nobody says how the file is run. Most tools send it as one string, which is one transaction, unless it has
        // what cannot be in one: then it is meant for psql or the like.
        return told || !alone;
    }

    /// Whether the tool puts BEGIN and COMMIT around a file; the others send it as one string, or look into it.
    [[nodiscard]] bool wraps(std::size_t at) const {
        static constexpr std::array tools{"goose",           "sql-migrate",         "dbmate",
                                          "Atlas",           "Liquibase",           "drizzle",
                                          "node-pg-migrate", "postgres-migrations", "yoyo"};
        return modes_[at].value_or(false) || file_wide_.value_or(false) ||
               std::find(tools.begin(), tools.end(), into_.tool) != tools.end();
    }

    migration& into_;
    transaction_mode mode_;
    std::optional<bool> file_wide_;
    std::optional<bool> section_mode_;
    std::vector<std::optional<bool>> modes_;
    bool down_ = false;
    bool in_block_ = false;
    bool has_blocks_ = false;
    bool joined_before_ = false;
    std::size_t section_ = 0;
    std::size_t transaction_ = 1;
    std::size_t previous_ = 0;
};

}  // namespace

migration read_migration(std::string name, std::string_view text, transaction_mode mode,
                         std::string_view script_config) {
    migration made;
    made.name = std::move(name);
    script cut = split(text);
    made.problem = cut.problem;
    if (!made.problem.empty()) {
        return made;
    }
    made.comments = std::move(cut.comments);
    reader(made, mode, script_config).run(cut);
    made.line_starts = std::move(cut.line_starts);
    made.text = std::move(cut.text);
    return made;
}

}  // namespace pgeist::ddl
