// Files that change while they are read end in an error, never in a signal; the text of one that was read stays.
#ifndef Q_MOC_RUN // moc of Qt 6.4 stumbles over <concepts>
#include "app/session/input_file.h"
#include "capture/base/unique_fd.h"

#include <atomic>
#include <fcntl.h>
#include <thread>
#include <unistd.h>
#endif

#include "tests/test_program.h"

#include <QTemporaryDir>

using namespace natlens;
using namespace natlens::session;

class TestInputFile : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void whole_data() {
        QTest::addColumn<int>("size");
        for (const int size : {1, 4095, 4096, 2 << 20, (2 << 20) + 1, (7 << 20) + 12345})
            QTest::addRow("%d bytes", size) << size;
    }
    void whole() {
        QFETCH(int, size);
        const auto text = textOf(static_cast<std::size_t>(size));
        write(text);
        const auto file = InputFile::read(m_path);
        QVERIFY(file.has_value());
        QVERIFY(file->text() == text);
        QCOMPARE(::truncate(m_path.c_str(), 0), 0);
        QVERIFY(file->text() == text);
    }

    void empty() {
        write("");
        const auto file = InputFile::read(m_path);
        QVERIFY(file.has_value() && file->text().empty());
    }

    /// As when it is shortened between the question for its size and the reading.
    void shorterThanItWas_data() {
        QTest::addColumn<int>("size");
        QTest::addColumn<int>("left");
        QTest::newRow("nothing left") << 4096 << 0;
        QTest::newRow("one byte gone") << 4096 << 4095;
        QTest::newRow("the last portion gone") << (6 << 20) << (4 << 20);
        QTest::newRow("from the middle of a portion") << (6 << 20) << (1 << 20) + 77;
    }
    void shorterThanItWas() {
        QFETCH(int, size);
        QFETCH(int, left);
        write(textOf(static_cast<std::size_t>(left)));
        const base::UniqueFd opened(::open(m_path.c_str(), O_RDONLY | O_CLOEXEC));
        const auto file = InputFile::readWhole(opened.get(), static_cast<std::size_t>(size), m_path);
        QVERIFY(!file.has_value());
        QVERIFY(file.error().code == base::ErrorCode::invalidInput);
        QCOMPARE(QString::fromStdString(file.error().subject), QString::fromStdString(m_path));
        QVERIFY(file.error().message.find("shorter") != std::string::npos);
    }

    void shortenedAgainAndAgain() {
        const std::size_t size = std::size_t{5} << 20;
        write(textOf(size));
        std::atomic<bool> done = false;
        std::jthread other([&] {
            while (!done) {
                if (::truncate(m_path.c_str(), 4096) != 0) return;
                if (::truncate(m_path.c_str(), static_cast<off_t>(size)) != 0) return;
            }
        });
        int read = 0, refused = 0;
        for (int i = 0; i < 50; ++i) {
            const auto file = InputFile::read(m_path);
            ++(file ? read : refused);
            if (!file) QVERIFY(file.error().message.find("shorter") != std::string::npos);
            std::size_t open = 0;
            if (file)
                for (const char c : file->text())
                    open += c == '[' ? 1 : 0;
            QVERIFY(!file || open > 0);
        }
        done = true;
        QCOMPARE(read + refused, 50);
    }

    void endsEarlyWhenItIsNoJson() {
        write("kind: List\n" + std::string(std::size_t{3} << 20, '#'));
        const auto file = InputFile::read(m_path);
        QVERIFY(file.has_value());
        QCOMPARE(file->text().size(), std::size_t{1} << 20);
    }

    void folder() {
        const auto file = InputFile::read(m_folder.path().toStdString());
        QVERIFY(!file.has_value());
        QVERIFY(file.error().message.find("folder") != std::string::npos);
    }

private:
    /// Each byte says where it is.
    static std::string textOf(std::size_t size) {
        std::string text(size, '\0');
        for (std::size_t i = 0; i < size; ++i)
            text[i] = static_cast<char>('!' + (i * 7 + i / 4096) % 90);
        if (size > 0) text[0] = '[';
        return text;
    }

    void write(const std::string &text) {
        QFile file(QString::fromStdString(m_path));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(text.data(), static_cast<qint64>(text.size())), static_cast<qint64>(text.size()));
    }

    QTemporaryDir m_folder;
    const std::string m_path = m_folder.filePath("cluster.json").toStdString();
};

NATLENS_TEST(TestInputFile)
#include "tst_input_file.moc"
