import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** Multifibo [COUNT]: one thread for each number from 1 to COUNT, the nth of which computes the nth Fibonacci number. */
public final class Multifibo {
    private static final int LARGEST = 90;

    private Multifibo() {}

    public static void main(String[] arguments) throws InterruptedException {
        System.exit(run(arguments));
    }

    private static int run(String[] arguments) throws InterruptedException {
        int count = arguments.length == 0 ? 30 : arguments.length == 1 ? parse(arguments[0]) : 0;
        if (count < 1 || count > LARGEST) {
            System.err.println("usage: java Multifibo [COUNT]   (1 to " + LARGEST + ", 30 if left out)");
            return 2;
        }

        AtomicBoolean failed = new AtomicBoolean();
        List<Thread> threads = new ArrayList<>();
        for (int number = 1; number <= count; number++) {
            int n = number;
            Thread thread = new Thread(() -> System.out.println(n + " -> " + fibonacci(n)), "fibonacci-" + n);
            thread.setUncaughtExceptionHandler((which, problem) -> {
                System.err.println(which.getName() + ": " + problem);
                failed.set(true);
            });
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }

        if (failed.get()) {
            return 1;
        }
        System.out.println("Done!");
        return System.out.checkError() ? 1 : 0;
    }

    /** The number, or 0 when the text is none. */
    private static int parse(String text) {
        return text.matches("[0-9]{1,4}") ? Integer.parseInt(text) : 0;
    }

    private static long fibonacci(int n) {
        return n < 2 ? 1 : fibonacci(n - 1) + fibonacci(n - 2);
    }
}
