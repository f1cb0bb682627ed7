import java.util.*;
import java.util.concurrent.*;

/** Threads [SIZE]: four threads of which each computes a part, in rounds, until there is a file "finish". */
class Threads {
  static int size = 1;

  static long part(int number, int round) {
    long value = number * 1000L + round;
    for (int i = 0; i < 3_000_000 * size; i++) value = value * 6364136223846793005L + 1442695040888963407L;
    return value;
  }

  public static void main(String[] args) throws Exception {
    if (args.length > 0) size = Integer.parseInt(args[0]);
    ExecutorService pool = Executors.newFixedThreadPool(4);
    for (int round = 0; round < 100; round++) {
      while (round == 95 && !new java.io.File("finish").exists()) Thread.sleep(100);
      List<Future<Long>> parts = new ArrayList<>();
      for (int number = 0; number < 4; number++) {
        int n = number, r = round;
        parts.add(pool.submit(() -> part(n, r)));
      }
      long sum = 0;
      for (Future<Long> part : parts) sum ^= part.get();
      System.out.println("round " + round + " " + Long.toHexString(sum));
    }
    pool.shutdown();
    System.exit(9);
  }
}
