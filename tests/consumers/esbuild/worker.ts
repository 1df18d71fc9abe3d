import "@polyproc/multiprocessing/worker";
